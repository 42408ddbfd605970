//! Days as rules see them: `YYYY-MM-DD`.

use jiff::civil::Date;

/// The day, or `None` when `text` is no real one in this form.
pub(crate) fn day(text: &str) -> Option<Date> {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    shape.then(|| text.parse().ok()).flatten()
}

/// Whole years from the first day to the second, as an age is counted: of age on the birthday itself.
pub(crate) fn years(from: Date, to: Date) -> i64 {
    if to < from {
        return -years(to, from);
    }
    let before_birthday = (to.month(), to.day()) < (from.month(), from.day());
    i64::from(to.year()) - i64::from(from.year()) - i64::from(before_birthday)
}

/// Days from the first to the second.
pub(crate) fn days(from: Date, to: Date) -> i64 {
    (to.duration_since(from).as_hours()) / 24
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_real_one_in_one_form() {
        assert!(day("2020-02-29").is_some());
        for text in ["", "2021-02-29", "2021-2-3", "03/02/2021", "2021-02-03T00:00", "+021-02-03", "２021-02"]
        {
            assert!(day(text).is_none(), "{text}");
        }
    }

    #[test]
    fn years_and_days_between() {
        for (from, to, whole, distance) in [
            ("2003-08-12", "2021-08-12", 18, 6_575),
            ("2003-08-13", "2021-08-12", 17, 6_574),
            ("2021-08-12", "2003-08-13", -17, -6_574),
            ("2004-02-29", "2022-02-28", 17, 6_574),
            ("0001-01-01", "9999-12-31", 9_998, 3_652_058),
        ] {
            let (from, to) = (day(from).unwrap(), day(to).unwrap());
            assert_eq!((years(from, to), days(from, to)), (whole, distance));
        }
    }
}
