//! Captures in every valid form, and in some invalid ones.

mod file;

use std::io::{self, Read};
use std::path::Path;

use gdoi_wire::craft::Random;

use super::*;
use file::{Block, Order, Pcapng, pcap};

/// A frame in the tests: number, nanoseconds, octets, octets on the wire, link layer.
type Told = (u64, u64, Vec<u8>, u32, LinkType);

/// The frames of a capture, and its error.
fn read(capture: &[u8]) -> (Vec<Told>, Option<String>) {
    read_stream(Box::new(io::Cursor::new(capture.to_vec())))
}

fn read_stream(stream: Box<dyn Read + Send>) -> (Vec<Told>, Option<String>) {
    let mut told = Vec::new();
    let mut reader = match CaptureReader::new(Path::new("x"), stream) {
        Ok(reader) => reader,
        Err(error) => return (told, Some(error.to_string())),
    };
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => told.push((
                frame.number,
                frame.at.as_nanos(),
                frame.kept.to_vec(),
                frame.wire_octets,
                frame.link,
            )),
            Ok(None) => return (told, None),
            Err(error) => return (told, Some(error.to_string())),
        }
    }
}

/// The error of a damaged capture; the frames before the damage are counted.
fn check_wrong(capture: &[u8], frames: usize, expect: &str) {
    let (told, wrong) = read(capture);
    assert_eq!((told.len(), wrong.as_deref()), (frames, Some(expect)));
}

/// A stream that returns one octet at a time, like a slow pipe.
struct Trickle(io::Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let one = into.len().min(1);
        self.0.read(&mut into[..one])
    }
}

#[test]
fn pcap_in_every_order_and_precision() {
    for (magic, order, nanos) in [
        (0xa1b2_c3d4, Order::Little, 7000),
        (0xa1b2_c3d4, Order::Big, 7000),
        (0xa1b2_3c4d, Order::Little, 7),
        (0xa1b2_3c4d, Order::Big, 7),
        // The form of Alexey Kuznetzov's old patch, with eight more octets per record.
        (0xa1b2_cd34, Order::Little, 7000),
        (0xa1b2_cd34, Order::Big, 7000),
    ] {
        let capture = pcap(magic, order, 1, &[(5, 7, b"abc", 3), (6, 0, b"de", 99)]);
        let expect = vec![
            (1, 5_000_000_000 + nanos, b"abc".to_vec(), 3, LinkType::ETHERNET),
            (2, 6_000_000_000, b"de".to_vec(), 99, LinkType::ETHERNET),
        ];
        assert_eq!(read(&capture), (expect, None), "{magic:#x} {order:?}");
    }
}

#[test]
fn pcapng_in_every_order_resolution_and_offset() {
    for order in [Order::Little, Order::Big] {
        for (options, stamp, nanos) in [
            (&[] as &[(u16, &[u8])], 1_000_007, 1_000_007_000),
            (&[(9, &[6])], 1_000_007, 1_000_007_000),
            (&[(9, &[9])], 1_000_007, 1_000_007),
            (&[(9, &[3])], 1_007, 1_007_000_000),
            (&[(9, &[0x8a])], 1024 + 512, 1_500_000_000),
            (&[(9, &[0])], 3, 3_000_000_000),
            (&[(14, &order.eight(10))], 1_000_007, 11_000_007_000),
            (&[(14, &order.eight(u64::MAX))], 1_000_007, 7000),
            // Before the epoch, and beyond 64 bits.
            (&[(14, &order.eight(u64::MAX - 4))], 1, 0),
            (&[(9, &[0])], u64::MAX, u64::MAX - 1),
        ] {
            let mut capture = Pcapng::new(order);
            capture.interface(113, 0, options);
            capture.enhanced(0, stamp, b"abcde", 9);
            let expect = vec![(1, nanos, b"abcde".to_vec(), 9, LinkType(113))];
            assert_eq!(read(&capture.octets), (expect, None), "{order:?} {options:?}");
        }
    }
}

#[test]
fn pcapng_blocks_of_every_sort() {
    let mut capture = Pcapng::new(Order::Little);
    capture.interface(1, 4, &[]);
    capture.interface(101, 0, &[]);
    capture.block(Block::STATISTICS, &[0; 12]);
    capture.enhanced(1, 5, b"v4", 2);
    capture.block(Block::CUSTOM, &[7; 8]);
    capture.simple(b"abcd", 9);
    capture.obsolete(1, 6, b"xyz", 3);
    // Another section, in another byte order, has its own interfaces.
    let mut second = Pcapng::new(Order::Big);
    second.interface(276, 0, &[]);
    second.simple(b"ab", 2);
    second.obsolete(0, 8, b"q", 1);
    capture.octets.extend(&second.octets);
    let expect = vec![
        (1, 5000, b"v4".to_vec(), 2, LinkType(101)),
        // No time: that of the previous frame.
        (2, 5000, b"abcd".to_vec(), 9, LinkType::ETHERNET),
        (3, 6000, b"xyz".to_vec(), 3, LinkType(101)),
        (4, 6000, b"ab".to_vec(), 2, LinkType(276)),
        (5, 8000, b"q".to_vec(), 1, LinkType(276)),
    ];
    assert_eq!(read(&capture.octets), (expect, None));
}

#[test]
fn every_prefix_says_where_it_ends() {
    let old = pcap(
        0xa1b2_c3d4,
        Order::Little,
        1,
        &[(5, 7, b"abc", 3), (6, 0, b"de", 9)],
    );
    let mut new = Pcapng::new(Order::Little);
    new.interface(1, 0, &[]);
    let records = [24, 24 + 16 + 3];
    new.enhanced(0, 1, b"abc", 3);
    let first = new.octets.len();
    new.enhanced(0, 2, b"de", 2);
    for end in 1..old.len() {
        let frames = usize::from(end >= 24 + 16 + 3);
        let expect = match end {
            0..4 => Some("x: is neither a pcap nor a pcapng capture".to_owned()),
            4..24 => Some("x: ends inside its file header".to_owned()),
            _ if records.contains(&end) => None,
            _ => Some(format!("x: ends inside frame {}", frames + 1)),
        };
        let (told, wrong) = read(&old[..end]);
        assert_eq!((told.len(), wrong), (frames, expect), "{end} octets");
    }
    for end in 4..new.octets.len() {
        let frames = usize::from(end >= first);
        let boundary = [28, 48, first].contains(&end);
        let expect = (!boundary).then(|| format!("x: ends inside frame {}", frames + 1));
        let (told, wrong) = read(&new.octets[..end]);
        assert_eq!((told.len(), wrong), (frames, expect), "{end} octets");
    }
}

#[test]
fn damage_is_named() {
    let good: (u32, u32, &[u8], u32) = (5, 7, b"abc", 3);
    let mut long = pcap(0xa1b2_c3d4, Order::Little, 1, &[good, good]);
    long[24 + 19 + 8..][..4].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    check_wrong(&long, 1, "x: is damaged at frame 2: a record of 2147483663 bytes");

    let mut unknown = Pcapng::new(Order::Little);
    unknown.interface(1, 0, &[]);
    unknown.enhanced(1, 0, b"abc", 3);
    let expect = "x: is damaged at frame 1: a packet of interface 1, which the file does not describe";
    check_wrong(&unknown.octets, 0, expect);

    let mut resolution = Pcapng::new(Order::Little);
    resolution.interface(1, 0, &[(9, &[20])]);
    check_wrong(
        &resolution.octets,
        0,
        "x: is damaged at frame 1: a time resolution of 0x14",
    );

    let contradiction = "x: is damaged at frame 2: a block with contradictory lengths";
    // Both lengths of the block, and the length of the packet in it.
    for (at, length) in [(4, 3_u32), (4, 31), (32, 40), (20, 0xffff_ffff), (20, 8)] {
        let mut block = Pcapng::new(Order::Little);
        block.interface(1, 0, &[]);
        block.enhanced(0, 0, b"abc", 3);
        let start = block.octets.len();
        block.enhanced(0, 0, b"abc", 3);
        block.octets[start + at..][..4].copy_from_slice(&length.to_le_bytes());
        block.enhanced(0, 0, b"abc", 3);
        check_wrong(&block.octets, 1, contradiction);
    }
}

#[test]
fn what_is_no_capture() {
    check_wrong(b"", 0, "x: is empty");
    check_wrong(&[0; 100], 0, "x: is neither a pcap nor a pcapng capture");
    check_wrong(b"#!/bin/sh\n", 0, "x: is neither a pcap nor a pcapng capture");
}

#[test]
fn a_trickle_and_a_frame_longer_than_the_window() {
    let jumbo = vec![0xab; 600_000];
    let records: Vec<(u32, u32, &[u8], u32)> =
        vec![(1, 0, b"ab", 2), (2, 0, &jumbo, 600_000), (3, 0, b"c", 1)];
    let capture = pcap(0xa1b2_c3d4, Order::Little, 1, &records);
    let (told, wrong) = read(&capture);
    assert_eq!(wrong, None);
    assert_eq!(
        told.iter().map(|frame| frame.2.len()).collect::<Vec<_>>(),
        [2, 600_000, 1]
    );
    let trickled = read_stream(Box::new(Trickle(io::Cursor::new(capture))));
    assert_eq!(trickled, (told, None));
}

#[test]
fn an_unreadable_stream_is_not_the_end() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
    let start = pcap(0xa1b2_c3d4, Order::Little, 1, &[(5, 7, b"abc", 3)]);
    let (told, wrong) = read_stream(Box::new(io::Cursor::new(start).chain(Broken)));
    assert_eq!(told.len(), 1);
    assert_eq!(wrong.as_deref(), Some("x: cannot be read at frame 2: timed out"));
}

#[test]
fn no_octet_makes_it_panic_or_run_on() {
    let old = pcap(0xa1b2_3c4d, Order::Big, 1, &[(5, 7, b"abc", 3), (6, 0, b"de", 9)]);
    let mut new = Pcapng::new(Order::Little);
    new.interface(1, 0, &[(9, &[9]), (14, &Order::Little.eight(1))]);
    new.enhanced(0, 1, b"abcdef", 6);
    new.simple(b"abcd", 9);
    new.obsolete(0, 8, b"q", 1);
    new.block(Block::STATISTICS, &[0; 12]);
    let seed = 6407;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for capture in [old, new.octets] {
        for _ in 0..1_000 {
            let mut changed = capture.clone();
            for _ in 0..=random.below(3) {
                let at = usize::try_from(random.below(changed.len() as u64)).unwrap();
                let value = random.pick(&[0, 1, 4, 0x0a, 0x7f, 0x80, 0xff]);
                changed[at] = value;
            }
            let (told, _) = read(&changed);
            // No record has fewer than 12 octets, so a capture cannot have more frames than that.
            assert!(told.len() <= capture.len() / 12, "{changed:?}");
        }
    }
}

/// A capture of ten frames, and its frames.
fn ten() -> (Vec<u8>, Vec<Told>) {
    let frames: Vec<Vec<u8>> = (0..10_u8).map(|number| vec![number; 100]).collect();
    let records: Vec<_> = (1..)
        .zip(&frames)
        .map(|(at, frame)| (at, 0, frame.as_slice(), 100))
        .collect();
    let capture = pcap(0xa1b2_c3d4, Order::Little, 1, &records);
    let (told, error) = read(&capture);
    assert_eq!((told.len(), error), (10, None));
    (capture, told)
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut writer, octets).unwrap();
    writer.finish().unwrap()
}

fn zstd(octets: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(octets, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn a_compressed_capture_is_the_capture() {
    let (capture, told) = ten();
    let (one, other) = capture.split_at(700);
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    for packed in [
        gzip(&capture),
        // Parts that were compressed separately.
        [gzip(one), gzip(other)].concat(),
        zstd(&capture),
        [&skipped, zstd(one).as_slice(), &skipped, &zstd(other), &skipped].concat(),
    ] {
        assert_eq!(read(&packed), (told.clone(), None));
        // Cut anywhere, the rest is read, and the cut is reported.
        for end in (8..packed.len() - 12).step_by(7) {
            let (some, error) = read(&packed[..end]);
            assert_eq!(some, told[..some.len()]);
            assert!(error.is_some(), "{end} of {}", packed.len());
        }
    }
    let cut = gzip(&capture);
    let (_, error) = read(&cut[..cut.len() / 2]);
    assert!(error.as_ref().unwrap().contains("ends inside frame"), "{error:?}");
}

#[test]
fn other_compressions_are_refused_by_name() {
    for (magic, name) in [
        (&b"\xfd7zXZ\0rest"[..], "xz"),
        (b"BZh91AY", "bzip2"),
        (b"\x04\x22\x4d\x18rest", "lz4"),
    ] {
        let (_, error) = read(magic);
        let expect = format!("x: is compressed with {name}, which is not supported");
        assert!(error.unwrap().starts_with(&expect));
    }
}

#[test]
fn the_checksum_of_compressed_data_counts() {
    let (capture, told) = ten();
    // The bit for a checksum, and a wrong checksum after the content (RFC 8878 §3.1.1).
    let mut packed = zstd(&capture);
    assert_eq!(packed[4] & 4, 4, "no checksum");
    let end = packed.len() - 1;
    packed[end] ^= 1;
    let (some, error) = read(&packed);
    assert_eq!(some, told);
    assert!(error.unwrap().contains("checksum"));
    let mut packed = gzip(&capture);
    let end = packed.len() - 6;
    packed[end] ^= 1;
    let (some, error) = read(&packed);
    assert_eq!(some, told);
    assert!(error.is_some());
}

#[test]
fn captures_that_were_joined_are_read_on() {
    let one = pcap(0xa1b2_c3d4, Order::Little, 1, &[(5, 7, b"abc", 3)]);
    let other = pcap(0xa1b2_3c4d, Order::Big, 113, &[(6, 7, b"de", 2)]);
    let expect = vec![
        (1, 5_000_007_000, b"abc".to_vec(), 3, LinkType::ETHERNET),
        (2, 6_000_000_007, b"de".to_vec(), 2, LinkType(113)),
    ];
    assert_eq!(read(&[one.as_slice(), &other].concat()), (expect, None));
    // Zeros at the end are no frames: one message for any number of them.
    let (told, wrong) = read(&[one.as_slice(), &vec![0; 1_000_003]].concat());
    assert_eq!(told.len(), 1);
    assert_eq!(
        wrong.as_deref(),
        Some("x: is damaged at frame 2: zeros instead of a record: the rest was never written")
    );
}

#[test]
fn what_says_nothing_of_packets_is_not_read() {
    let mut capture = Pcapng::new(Order::Little);
    capture.interface(1, 0, &[]);
    // Names, secrets and an unknown block, each with inconsistent content.
    for kind in [4, 10, 0x1234] {
        capture.block(kind, &[0xff; 12]);
    }
    // Option 5: dropped by the interface; written twice, it grows.
    for dropped in [3_u64, 7] {
        let option = [[5, 0, 8, 0], [0; 4], [0; 4]].concat();
        let mut body = [0; 12].to_vec();
        body.extend(option);
        body[16..24].copy_from_slice(&dropped.to_le_bytes());
        capture.block(Block::STATISTICS, &body);
    }
    capture.enhanced(0, 1, b"abc", 3);
    let (told, wrong) = read(&capture.octets);
    assert_eq!((told.len(), wrong), (1, None));
    let stream = Box::new(io::Cursor::new(capture.octets));
    let mut reader = CaptureReader::new(Path::new("x"), stream).unwrap();
    while reader.next_frame().unwrap().is_some() {}
    assert_eq!(reader.dropped(), 7);
}

#[test]
fn captures_of_other_formats_are_refused_by_name() {
    let mut erf = Vec::new();
    for _ in 0..2 {
        erf.extend([0; 8]);
        erf.extend([2, 4, 0, 80, 0, 0, 0, 62]);
        erf.extend([0; 64]);
    }
    for (octets, name) in [
        (&b"snoop\0\0\0\0\0\0\x02\0\0\0\x04"[..], "snoop"),
        (b"GMBU....", "Microsoft Network Monitor"),
        (&erf, "Endace (ERF)"),
    ] {
        let (_, error) = read(octets);
        let expect = format!(
            "x: is a capture of {name}, which is not supported; convert it first: editcap -F pcapng FILE"
        );
        assert!(error.as_ref().unwrap().starts_with(&expect), "{error:?}");
    }
}

#[test]
fn to_ask_for_the_time_reads_nothing() {
    let (capture, told) = ten();
    let reader = CaptureReader::new(Path::new("x"), Box::new(io::Cursor::new(capture))).unwrap();
    let mut recording = MonotonicReader::new(reader);
    for (number, at, ..) in told {
        let next = Some(Timestamp::from_nanos(at));
        assert_eq!(recording.peek().unwrap(), next);
        assert_eq!(recording.peek().unwrap(), next);
        let frame = recording.with_next(|frame| (frame.number, frame.at)).unwrap();
        assert_eq!(frame, next.map(|at| (number, at)));
    }
    assert_eq!(recording.peek().unwrap(), None);
    assert!(recording.with_next(|_| ()).unwrap().is_none());
}

/// The numbers and seconds of a recording's frames, and its error.
fn recorded(
    mut recording: MonotonicReader,
    mut each: impl FnMut(&mut MonotonicReader),
) -> (Vec<(u64, u64)>, Option<String>) {
    let mut told = Vec::new();
    loop {
        each(&mut recording);
        match recording.with_next(|frame| (frame.number, frame.at.as_nanos() / NANOS)) {
            Ok(Some(frame)) => told.push(frame),
            Ok(None) => return (told, None),
            Err(error) => return (told, Some(error.to_string())),
        }
    }
}

#[test]
fn a_recording_loses_nothing_while_it_looks_ahead() {
    // The clock is set back in the middle, the first frame is in the future, and the capture is cut.
    let seconds: Vec<u32> = [4_000_000_000, 5000, 5001, 5002, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].to_vec();
    let records: Vec<_> = seconds
        .iter()
        .map(|second| (*second, 0, b"abcd".as_slice(), 4))
        .collect();
    let capture = pcap(0xa1b2_c3d4, Order::Little, 1, &records);
    let expect: Vec<(u64, u64)> = (1..)
        .zip([
            5000, 5000, 5001, 5002, 5002, 5003, 5004, 5005, 5006, 5007, 5008, 5009, 5010, 5011,
        ])
        .collect();
    let open = |octets: &[u8]| {
        let stream = Box::new(io::Cursor::new(octets.to_vec()));
        MonotonicReader::new(CaptureReader::new(Path::new("x"), stream).unwrap())
    };
    assert_eq!(recorded(open(&capture), |_| ()), (expect.clone(), None));
    let (told, wrong) = recorded(open(&capture[..capture.len() - 1]), |_| ());
    assert_eq!(told, expect[..13]);
    assert_eq!(wrong.as_deref(), Some("x: ends inside frame 14"));
    // Closed after every frame, it continues where it was.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, &capture).unwrap();
    let recording = MonotonicReader::open(&path).unwrap();
    let closing = |recording: &mut MonotonicReader| {
        recording.peek().unwrap();
        assert!(recording.close());
    };
    assert_eq!(recorded(recording, closing), (expect, None));
}
