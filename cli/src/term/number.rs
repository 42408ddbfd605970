//! Numbers as people read them.

use std::time::Duration;

/// `700,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12.3 %`, or nothing of nothing.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", 100.0 * part as f64 / whole as f64) }
}

/// `4.2 s`, `3 min 5 s`, `2 h 7 min`.
pub fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    match whole {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 700_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "700,000", "1,234,567"]
        );
    }

    #[test]
    fn shares_and_times_are_short() {
        assert_eq!((share(1, 8), share(0, 0)), ("12.5 %".into(), String::new()));
        assert_eq!(
            [4, 65, 7500].map(|s| seconds(Duration::from_secs(s))),
            ["4.0 s", "1 min 5 s", "2 h 5 min"]
        );
    }
}
