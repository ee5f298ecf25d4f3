//! `doctor`, `man` and `completions`.

use std::process::Command;

use crate::kernel::in_network;
use crate::program;

#[test]
fn what_is_missing_is_named_with_the_line_that_gives_it() {
    in_network("what_is_missing_is_named", |_| {
        let program = program::path("doctor").unwrap();
        let ask = |lacking: &str, interface: &str| {
            let output = Command::new("setpriv")
                .args(["--bounding-set", lacking, "--inh-caps", lacking])
                .arg(&program)
                .args(["doctor", "--interface", interface])
                .output()
                .unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        };
        let (code, said) = ask("-sys_time", "watch");
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("programs         load and run"), "{said}");
        assert!(said.contains("watch            veth; has native XDP"), "{said}");
        let (code, said) = ask("-perfmon,-sys_admin", "watch");
        assert_eq!(code, Some(1), "{said}");
        let line = "CAP_PERFMON      MISSING: run as root, or AmbientCapabilities=CAP_PERFMON in the unit";
        assert!(said.contains(line), "{said}");
        let (code, said) = ask("-sys_time", "wan7");
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("wan7             MISSING: no such interface; this host has: "),
            "{said}"
        );
    });
}

#[test]
fn every_command_is_in_the_manual_and_in_completions() {
    let Some(program) = program::path("every_command_is_in_the_manual") else {
        return;
    };
    let said = |arguments: &[&str]| {
        let output = program::run(&program, arguments, b"");
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let (man, bash) = (said(&["man"]), said(&["completions", "bash"]));
    for command in ["analyze", "check-config", "decode", "doctor", "run"] {
        assert!(
            man.contains(&format!(".SH {}", command.to_uppercase())),
            "{command}"
        );
        assert!(bash.contains(command), "{command}");
    }
    assert!(man.contains("egress") && man.starts_with(".ie"));
}
