//! Durations, for people.

/// In as few characters as possible, at most six up to a thousand days: `35s`, `9m12s`, `1h03m`, `3d04h`.
pub fn compact(seconds: f64) -> String {
    let whole = seconds.abs().round().min(MOST);
    let sign = if seconds <= -0.5 { "-" } else { "" };
    let part = |unit: f64, of: f64| ((whole / unit).floor()) % of;
    let (days, hours) = (part(86_400.0, f64::INFINITY), part(3_600.0, 24.0));
    let (minutes, rest) = (part(60.0, 60.0), part(1.0, 60.0));
    if days > 0.0 {
        format!("{sign}{days}d{hours:02}h")
    } else if hours > 0.0 {
        format!("{sign}{hours}h{minutes:02}m")
    } else if minutes > 0.0 {
        format!("{sign}{minutes}m{rest:02}s")
    } else {
        format!("{sign}{rest}s")
    }
}

/// Anything longer is nonsense: 9,999 days.
const MOST: f64 = 9_999.0 * 86_400.0;

/// As key servers and members print it, with a readable form for long ones: `45 sec`, `1109 sec (18m29s)`.
pub fn seconds(seconds: f64) -> String {
    // Without a minus sign for what rounds to zero.
    let whole = seconds.round().clamp(-MOST, MOST) + 0.0;
    if whole.abs() < 120.0 {
        format!("{whole} sec")
    } else {
        format!("{whole} sec ({})", compact(whole))
    }
}

/// A number with its noun: `1 site`, `2 sites`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::{compact, seconds};

    #[test]
    fn lengths() {
        for (length, short, long) in [
            (0.0, "0s", "0 sec"),
            (-0.2, "0s", "0 sec"),
            (35.4, "35s", "35 sec"),
            (552.0, "9m12s", "552 sec (9m12s)"),
            (3_780.0, "1h03m", "3780 sec (1h03m)"),
            (273_600.0, "3d04h", "273600 sec (3d04h)"),
            (-25.0, "-25s", "-25 sec"),
            (f64::MAX, "9999d00h", "863913600 sec (9999d00h)"),
        ] {
            assert_eq!(compact(length), short);
            assert_eq!(seconds(length), long);
        }
    }
}
