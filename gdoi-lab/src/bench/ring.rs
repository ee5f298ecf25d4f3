//! The ring in a message storm: whether messages are lost, and the cost of reading them.
//!
//! One thread test-runs the program in bursts, a million times a second on average. Another drains the ring every 5
//! ms as the agent does, alternately with and without decoding each record. Bursts, because the kernel takes many
//! milliseconds to start a test run.
//!
//! Then comes the obvious alternative: the kernel wakes a tokio task whenever it had read everything.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use aya::programs::{TestRun as _, TestRunOptions};
use gdoi_core::observation::Message;
use gdoi_wire::record::Record;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::frames;
use super::objects::{Loaded, cpu_time, program, run_program};
use super::row::{Row, Unit, Wanted, number};

/// Two storms of this duration.
pub(super) fn run(object: &[u8], seconds: u64) -> Result<Vec<Row>> {
    let length = Duration::from_secs(seconds);
    let frame = frames::push();
    let (mut ebpf, mut ring) = Loaded::new(object, 1, false)?.split();
    let warm = warm(&mut ebpf, &mut ring, &frame)?;
    let (sent, [decoded, taken]) = storm("bench_xdp", &mut ebpf, &frame, length, |is_over| {
        drain(&mut ring, is_over)
    })?;
    let woken = storm("bench_wake_idle", &mut ebpf, &frame, length, |is_over| {
        awake(ring, is_over)
    });
    let (_, woken) = woken.context("the storm that wakes")?;
    let SentRecords { messages, took } = sent;
    let rate = number(messages) / took.as_secs_f64() / 1e6;
    let lost = Row::new(
        "messages lost in a storm",
        number(messages.saturating_sub(decoded.records + taken.records)),
        Unit::Count,
    )
    .goal("P5", Wanted::AtMost(0.0))
    .aside(format!("{messages} messages in {:.1} s", took.as_secs_f64()));
    let each = decoded.each(decoded.cpu);
    let (ours, theirs) = (decoded.each(decoded.with_waits), woken.each(woken.with_waits));
    Ok(vec![
        Row::new("messages in the storm", rate, Unit::MillionsPerSecond).goal("P5", Wanted::AtLeast(RATE)),
        lost,
        Row::new("ring to decoded message, each", each, Unit::Nanoseconds)
            .goal("P8", Wanted::AtMost(15.0))
            .aside(format!("{:.1} million/s of one CPU", 1e3 / each))
            .why(CPU_STATE),
        Row::new(
            "a tokio task woken by the kernel, relative to ours, including waits",
            theirs / ours,
            Unit::Ratio,
        )
        .goal("P8", Wanted::AtLeast(1.5))
        .aside(format!("{theirs:.1} and {ours:.1} ns a message")),
        Row::new(
            "ring to record without decoding, each",
            taken.each(taken.cpu),
            Unit::Nanoseconds,
        ),
        Row::new("decoding a cached record, each", warm, Unit::Nanoseconds),
    ])
}

struct SentRecords {
    messages: u64,
    took: Duration,
}

#[derive(Clone, Copy, Default)]
struct Taken {
    records: u64,
    /// CPU time of reading.
    cpu: Duration,
    /// And of waiting for more.
    with_waits: Duration,
}

impl Taken {
    /// Nanoseconds per message.
    fn each(self, of: Duration) -> f64 {
        of.as_secs_f64() * 1e9 / number(self.records.max(1))
    }
}

/// Sends messages through a program while `read` takes them out of the ring, until all were sent.
fn storm<T: Send>(
    name: &str,
    ebpf: &mut Ebpf,
    frame: &[u8],
    length: Duration,
    read: impl FnOnce(&dyn Fn() -> bool) -> Result<T> + Send,
) -> Result<(SentRecords, T)> {
    let storming = AtomicBool::new(true);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read(&|| !storming.load(Ordering::Acquire)));
        let sent = send(name, ebpf, frame, length);
        storming.store(false, Ordering::Release);
        let taken = reader.join().ok().context("the reader of the ring ended")?;
        Ok((sent?, taken?))
    })
}

/// A million messages a second; the next bursts make up for the delay of one.
fn send(name: &str, ebpf: &mut Ebpf, frame: &[u8], length: Duration) -> Result<SentRecords> {
    let program = program(ebpf, name)?;
    let start = Instant::now();
    let mut messages = 0;
    while start.elapsed() < length {
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.repeat = TURN;
        program.test_run(options).context("run the program")?;
        messages += u64::from(TURN);
        let due = start + Duration::from_micros(messages);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(SentRecords {
        messages,
        took: start.elapsed(),
    })
}

/// Drains the ring until the storm is over: alternately with and without decoding.
fn drain(ring: &mut RingBuf<MapData>, is_over: &dyn Fn() -> bool) -> Result<[Taken; 2]> {
    let mut taken = [Taken::default(); 2];
    loop {
        let is_last = is_over();
        for (taken, decodes) in taken.iter_mut().zip([true, false]) {
            let before = cpu_time()?;
            while let Some(octets) = ring.next() {
                let is_one = if decodes {
                    is_message(&octets)
                } else {
                    !octets.is_empty()
                };
                taken.records += u64::from(is_one);
            }
            taken.cpu += cpu_time()?.saturating_sub(before);
            if is_last {
                break;
            }
            thread::sleep(DRAIN_EVERY);
            taken.with_waits += cpu_time()?.saturating_sub(before);
        }
        if is_last {
            return Ok(taken);
        }
    }
}

/// Drains the ring whenever the kernel signals records, until the storm is over.
fn awake(ring: RingBuf<MapData>, is_over: &dyn Fn() -> bool) -> Result<Taken> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.context("start tokio")?.block_on(async {
        let mut ring = watched(ring)?;
        let mut taken = Taken::default();
        let before = cpu_time()?;
        while !is_over() {
            let Ok(ready) = timeout(LOOK_UP, ring.readable_mut()).await else {
                continue;
            };
            let mut ready = ready.context("wait for the ring")?;
            while let Some(octets) = ready.get_inner_mut().next() {
                taken.records += u64::from(is_message(&octets));
            }
            ready.clear_ready();
        }
        taken.with_waits = cpu_time()?.saturating_sub(before);
        ensure!(taken.records > 0, "the kernel woke nobody");
        Ok(taken)
    })
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for things that do not own their descriptor; a ring does"
)]
fn watched(ring: RingBuf<MapData>) -> Result<AsyncFd<RingBuf<MapData>>> {
    AsyncFd::new(ring).context("watch the ring")
}

/// Nanoseconds for the same record repeatedly.
fn warm(ebpf: &mut Ebpf, ring: &mut RingBuf<MapData>, frame: &[u8]) -> Result<f64> {
    run_program(ebpf, "bench_xdp", frame, 1)?;
    let record = ring.next().context("no record")?;
    let before = cpu_time()?;
    for _ in 0..WARM {
        ensure!(is_message(black_box(&record)), "a record that is no message");
    }
    Ok(cpu_time()?.saturating_sub(before).as_secs_f64() * 1e9 / f64::from(WARM))
}

/// Decodes a record, as the agent does.
fn is_message(octets: &[u8]) -> bool {
    let record = Record::parse(octets);
    let message = record.and_then(|(record, payloads)| Message::from_record(record, payloads));
    // Keeps the compiler from removing the decoding.
    black_box(&message).is_some()
}

/// Messages in a burst: two thirds of the ring.
const TURN: u32 = 20_000;
/// Millions per second: the result must round to one.
const RATE: f64 = 0.99;
/// As the agent does.
const DRAIN_EVERY: Duration = Duration::from_millis(5);
/// How long a task that is not woken waits before it checks whether the storm is over.
const LOOK_UP: Duration = Duration::from_millis(100);
const WARM: u32 = 1_000_000;
const CPU_STATE: &str = "reading it with aya and decoding it have rows of their own; the rest is two cache lines \
     of the ring that another CPU wrote";
