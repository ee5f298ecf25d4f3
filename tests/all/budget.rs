//! What the programs may cost the kernel: numbers that no moment changes, so that a program that grows is noticed when
//! it does. What a packet costs in time `cargo xtask bench` measures.

use gdoi_lab::Size;

use crate::kernel;

#[test]
fn the_programs_are_within_their_budgets() {
    if !kernel::is_usable("the_programs_are_within_their_budgets") {
        return;
    }
    let object = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../gdoi-monitor/ebpf/gdoi-monitor.bpf.o"
    );
    let sizes = Size::of_both(&std::fs::read(object).unwrap()).unwrap();
    for ((name, most), size) in BUDGETS.into_iter().zip(sizes) {
        eprintln!("{name}: {size:?}");
        assert!(size.verified <= most.verified, "{name}: {size:?}");
        assert!(
            size.translated_octets <= most.translated_octets,
            "{name}: {size:?}"
        );
        // Other processors need other machine code; a kernel without a compiler has none.
        assert!(
            cfg!(not(target_arch = "x86_64")) || size.jited_octets <= most.jited_octets,
            "{name}: {size:?}"
        );
        assert!(size.translated_octets > 0, "the kernel says nothing of {name}");
    }
}

/// At XDP and at traffic control: a twentieth more than they were when this was written.
const BUDGETS: [(&str, Size); 2] = [
    (
        "XDP",
        Size {
            verified: 12_800,
            translated_octets: 26_800,
            jited_octets: 16_700,
        },
    ),
    (
        "traffic control",
        Size {
            verified: 15_600,
            translated_octets: 27_700,
            jited_octets: 17_100,
        },
    ),
];
