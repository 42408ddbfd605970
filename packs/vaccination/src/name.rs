//! `full_name`: encoding, letters, spaces and case by rule; what misses or does not belong goes to a person.

use crate::columns::Column;
use crate::legacy::{self, Reading};
use crate::letters::letter;
use crate::mojibake;
use crate::sheet::{Sheet, Step};
use crate::text;

/// Forms of address that were typed in front of a name. `Ong`, `Ba` and `Chi` without marks are left:
/// they may be the name itself.
const TITLES: [&str; 5] = ["ÔNG", "BÀ", "ANH", "CHỊ", "BS"];

/// Step 1 of the rules, then step 2, then those of step 3, the case last.
const STEPS: [Step; 8] = [
    ("text.utf8_as_1252", mojibake::repair_whole),
    ("name.tcvn3", |name| match legacy::read(name) {
        Reading::Tcvn3(text) => Some(text),
        _ => None,
    }),
    ("name.vni", |name| match legacy::read(name) {
        Reading::Vni(text) => Some(text),
        _ => None,
    }),
    ("name.d_stroke", d_stroke),
    ("text.invisible", text::without_invisible),
    ("text.spaces", text::single_spaces),
    ("text.nfc", text::nfc),
    ("name.upper_case", upper_case),
];

/// All but the last.
const ENCODING: &[Step] = STEPS.split_at(STEPS.len() - 1).0;

/// Corrects the name, or routes it.
pub(crate) fn check(sheet: &mut Sheet<'_>) {
    let came = sheet.came(Column::FullName);
    match glance(came) {
        Glance::Canonical => return,
        Glance::Sound => {
            if let Some(upper) = upper_case(came) {
                sheet.change(Column::FullName, "name.upper_case", upper);
            }
        }
        Glance::Other => {
            if !check_encoding(sheet) {
                return;
            }
        }
    }
    route_content(sheet);
}

/// Takes the long way through all steps; answers whether a name came out of it that can be read.
fn check_encoding(sheet: &mut Sheet<'_>) -> bool {
    if text::trim(sheet.came(Column::FullName)).is_empty() {
        sheet.route(Column::FullName, "full_name.missing", Vec::new());
        return false;
    }
    // A legacy font is told by its letters as they were typed: `ú` is one of TCVN3's, `Ú` is not. So the
    // case changes only once the encoding needs no person.
    if !settle(sheet, ENCODING) {
        return false;
    }
    match upper_case(sheet.value(Column::FullName)) {
        Some(upper) => {
            sheet.change(Column::FullName, "name.upper_case", upper);
            settle(sheet, &STEPS)
        }
        None => true,
    }
}

/// Runs the steps until they have nothing to do; routes the name and answers `false` when a person has to
/// read its encoding. One that never settles reads differently each time, so nobody can say what was meant.
fn settle(sheet: &mut Sheet<'_>, steps: &[Step]) -> bool {
    let settled = sheet.settle(Column::FullName, steps);
    let proposals = unread(sheet.value(Column::FullName)).or((!settled).then(Vec::new));
    let readable = proposals.is_none();
    if let Some(proposals) = proposals {
        sheet.route(Column::FullName, "full_name.ambiguous_encoding", proposals);
    }
    readable
}

/// What may be proposed for a name whose encoding a person has to read; `None` when nobody has to.
fn unread(name: &str) -> Option<Vec<String>> {
    if mojibake::has_remains(name) {
        return Some(Vec::new());
    }
    match legacy::read(name) {
        Reading::Both(tcvn3, vni) => Some(vec![written(&tcvn3), written(&vni)]),
        // Left alone it would be upper-cased garbage.
        Reading::Partly => Some(Vec::new()),
        Reading::AsItStands | Reading::Tcvn3(_) | Reading::Vni(_) => None,
    }
}

/// The findings about what a repaired name says.
fn route_content(sheet: &mut Sheet<'_>) {
    let column = Column::FullName;
    let name = sheet.value(column);
    let (mut lost, mut digits, mut symbols, mut words) = (false, false, false, 1);
    for c in name.chars() {
        match c {
            '?' | '\u{FFFD}' => lost = true,
            ' ' => words += 1,
            _ if is_digit(c) => digits = true,
            _ => symbols |= is_symbol(c),
        }
    }
    let untitled = without_titles(name).map(str::to_owned);
    let repaired = if digits || symbols { only_letters(name) } else { Vec::new() };
    if lost {
        // What stood there is a fact that only the person, or the police, knows.
        sheet.route(column, "full_name.lost_letter", Vec::new());
    }
    if digits {
        sheet.route(column, "full_name.digits", repaired.clone());
    }
    if symbols {
        sheet.route(column, "full_name.symbols", repaired);
    }
    if let Some(untitled) = untitled {
        sheet.route(column, "full_name.title", vec![untitled]);
    } else if !(lost || digits || symbols) && words == 1 {
        sheet.route_repaired(column, "full_name.one_word");
    }
}

/// What one look at a name tells.
enum Glance {
    /// Nothing is left to do, by rule or by a person.
    Canonical,
    /// Vietnamese letters and ASCII with single spaces, with proof that no encoding was mistaken: the case
    /// may be wrong, and what the name says.
    Sound,
    Other,
}

fn glance(name: &str) -> Glance {
    let (mut western, mut eastern, mut canonical) = (false, false, true);
    let (mut words, mut space) = (1, true);
    for c in name.chars() {
        match c {
            'A'..='Z' => {}
            ' ' if space => return Glance::Other,
            ' ' => words += 1,
            '!'..='~' => canonical = false,
            _ if letter(c).is_none() => return Glance::Other,
            // In both ranges of Vietnamese letters beyond windows-1252 the capitals have even codes, but for Ư.
            '\u{100}'.. => {
                eastern = true;
                canonical &= (c as u32).is_multiple_of(2) != matches!(c, 'Ư' | 'ư');
            }
            _ => {
                western = true;
                canonical &= c <= 'Ý';
            }
        }
        space = c == ' ';
    }
    if space || (western && !eastern) {
        return Glance::Other;
    }
    // A title needs a closer look, and so do dots, hyphens and apostrophes.
    let titled = TITLES.iter().any(|title| name.starts_with(title));
    if canonical && words > 1 && !titled { Glance::Canonical } else { Glance::Sound }
}

/// `Ð` and `ð` (U+00D0, U+00F0, Icelandic) look like `Đ` and `đ`.
fn d_stroke(name: &str) -> Option<String> {
    name.contains(['Ð', 'ð']).then(|| {
        name.chars()
            .map(|c| {
                if c == 'Ð' {
                    'Đ'
                } else if c == 'ð' {
                    'đ'
                } else {
                    c
                }
            })
            .collect()
    })
}

/// Upper case, letter by letter. One that would become two (`ß`) stays, and is then a symbol.
fn upper_case(name: &str) -> Option<String> {
    name.contains(|c| upper_letter(c) != c).then(|| name.chars().map(upper_letter).collect())
}

fn upper_letter(c: char) -> char {
    match c {
        '\0'..='\u{7F}' => c.to_ascii_uppercase(),
        // Most letters of most names: capitals are even here.
        '\u{1EA0}'..='\u{1EF9}' => char::from_u32(c as u32 & !1).unwrap_or(c),
        _ => {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) => single,
                _ => c,
            }
        }
    }
}

/// A name as it would be stored.
fn written(name: &str) -> String {
    let spaced = text::single_spaces(name);
    let name = spaced.as_deref().unwrap_or(name);
    upper_case(name).unwrap_or_else(|| name.to_owned())
}

/// A digit or another number, in any script.
fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { letter(c).is_none() && c.is_numeric() }
}

/// Neither a letter in upper case nor what may stand in a name. Identity papers write names in Latin
/// letters, so other scripts are symbols too; digits and lost letters have findings of their own.
fn is_symbol(c: char) -> bool {
    match c {
        'A'..='Z' | ' ' | '\'' | '-' | '.' | '?' | '\u{FFFD}' => false,
        '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => {
            letter(c).is_none() && !(c.is_alphabetic() && upper_letter(c) == c && !c.is_lowercase())
        }
        _ => !is_digit(c),
    }
}

/// The name without digits and symbols, when two words are left.
fn only_letters(name: &str) -> Vec<String> {
    let kept: String = name.chars().filter(|&c| !is_symbol(c) && !is_digit(c)).collect();
    let kept = written(&kept);
    if kept.contains(' ') && !kept.contains(['?', '\u{FFFD}']) { vec![kept] } else { Vec::new() }
}

/// The name without the forms of address in front of it, if there is one and a name follows.
fn without_titles(name: &str) -> Option<&str> {
    let mut rest = name;
    while let Some(next) = TITLES.iter().find_map(|title| {
        let after = rest.strip_prefix(title)?;
        // A title ends at a dot or a space: ANH TÚ, BS.LAN, but not ANHTU.
        let name = after.trim_start_matches(['.', ' ']);
        (name.len() < after.len() && !name.is_empty()).then_some(name)
    }) {
        rest = next;
    }
    (rest.len() < name.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use emend_worker::{Outcome, Record};

    fn outcome(name: &str) -> Outcome {
        let record = Record::from_fields("k", [("full_name", name)]);
        let mut sheet = Sheet::of(&record);
        check(&mut sheet);
        sheet.into_outcome()
    }

    fn corrected(name: &str) -> (String, Vec<String>) {
        let outcome = outcome(name);
        assert!(outcome.findings.is_empty(), "{name}: {:?}", outcome.findings);
        let rules = outcome.changes.iter().map(|change| change.rule.to_string()).collect();
        (outcome.changes.last().map_or(name, |change| &change.after).to_owned(), rules)
    }

    fn routed(name: &str) -> (Vec<String>, Vec<String>) {
        let outcome = outcome(name);
        assert!(outcome.changes.is_empty());
        let codes = outcome.findings.iter().map(|finding| finding.code.replace("full_name.", "")).collect();
        (codes, outcome.findings.into_iter().flat_map(|finding| finding.proposals).collect())
    }

    #[test]
    fn names_by_rule() {
        for (name, after, rules) in [
            ("NGUYỄN THỊ THÚY HÒA", "NGUYỄN THỊ THÚY HÒA", &[][..]),
            ("LÊ HÀ", "LÊ HÀ", &[]),
            ("NGUYEN VAN A", "NGUYEN VAN A", &[]),
            ("H'HEN NIÊ", "H'HEN NIÊ", &[]),
            ("Nguyá»…n Thá»‹ ThÃºy HÃ²a", "NGUYỄN THỊ THÚY HÒA", &["text.utf8_as_1252", "name.upper_case"]),
            ("Nguyeãn Thò Thuùy Hoøa", "NGUYỄN THỊ THÚY HÒA", &["name.vni", "name.upper_case"]),
            ("NguyÔn ThÞ Thóy Hßa", "NGUYỄN THỊ THÚY HÒA", &["name.tcvn3", "name.upper_case"]),
            ("Thuý Hoà", "THUÝ HOÀ", &["name.upper_case"]),
            ("ÐOÀN HÀ", "ĐOÀN HÀ", &["name.d_stroke"]),
            ("Nguyễn Văn ðạt", "NGUYỄN VĂN ĐẠT", &["name.d_stroke", "name.upper_case"]),
            (" NGUYỄN\u{A0} VĂN\u{200B} A ", "NGUYỄN VĂN A", &["text.invisible", "text.spaces"]),
            ("NGUYE\u{302}\u{303}N A", "NGUYỄN A", &["text.nfc"]),
            ("Jürgen Müller", "JÜRGEN MÜLLER", &["name.upper_case"]),
        ] {
            assert_eq!(corrected(name), (after.to_owned(), rules.iter().map(|&rule| rule.into()).collect()));
        }
    }

    #[test]
    fn names_for_a_person() {
        for (name, codes, proposals) in [
            ("", &["missing"][..], &[][..]),
            (" \u{200B} ", &["missing"], &[]),
            ("Nguy?n Văn A", &["lost_letter"], &[]),
            ("NGUY\u{FFFD}N VĂN A", &["lost_letter"], &[]),
            ("Nguyễn Văn 8", &["digits"], &["NGUYỄN VĂN"]),
            ("NGUYỄN VĂN TÁM@", &["symbols"], &["NGUYỄN VĂN TÁM"]),
            ("Nguyễn_Văn 1", &["digits", "symbols"], &["NGUYỄNVĂN 1", "NGUYỄNVĂN 1"]),
            ("NGUYỄN", &["one_word"], &[]),
            ("Nguyễn", &["one_word"], &["NGUYỄN"]),
            ("Ông Nguyễn Văn A", &["title"], &["NGUYỄN VĂN A"]),
            ("BS. Lê Hà", &["title"], &["LÊ HÀ"]),
            ("BS.LÊ HÀ", &["title"], &["LÊ HÀ"]),
            ("Ông BS Lê Hà", &["title"], &["LÊ HÀ"]),
            ("CHỊ LAN", &["title"], &["LAN"]),
            ("Weiß Hans", &["symbols"], &["WEI HANS"]),
            ("王 伟", &["symbols"], &[]),
            ("NguyÃŠn VĂN", &["ambiguous_encoding"], &[]),
            ("Nguyeãn Smith", &["ambiguous_encoding"], &[]),
            ("Huúnh Wang", &["ambiguous_encoding"], &[]),
            ("Phan Anh Thö", &["ambiguous_encoding"], &["PHAN ANH THỬ", "PHAN ANH THƯ"]),
        ] {
            let (found, offered) = routed(name);
            assert_eq!(found, codes, "{name}");
            if codes.len() == 1 {
                assert_eq!(offered, proposals, "{name}");
            }
        }
    }

    #[test]
    fn the_short_way_to_upper_case_is_the_long_way() {
        for c in '\0'..='\u{1EFF}' {
            let upper: Vec<char> = c.to_uppercase().collect();
            assert_eq!(upper_letter(c), if upper.len() == 1 { upper[0] } else { c });
        }
    }

    #[test]
    fn capitals_are_told_by_their_codes() {
        for c in ('\u{80}'..='\u{1EFF}').filter(|&c| letter(c).is_some()) {
            let canonical = matches!(glance(&format!("Ạ {c}")), Glance::Canonical);
            assert_eq!(canonical, c.is_uppercase(), "{c}");
        }
    }

    #[test]
    fn a_title_is_a_word_of_its_own() {
        for name in ["ANHTU NGUYỄN", "BSA LAN", "BÀNG ANH", "ONG VAN A"] {
            assert!(outcome(name).findings.is_empty(), "{name}");
        }
        assert_eq!(routed("ANH").0, ["one_word"]);
    }
}
