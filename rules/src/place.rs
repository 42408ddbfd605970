//! From a place within an expression to its place in the file.

use saphyr_parser::ScalarStyle;

use crate::problem::Place;
use crate::yaml::Text;

/// A file, and where its lines begin.
pub(crate) struct Source<'s> {
    text: &'s str,
    /// In bytes.
    lines: Vec<usize>,
}

impl<'s> Source<'s> {
    pub(crate) fn new(text: &'s str) -> Self {
        let lines = text.match_indices('\n').map(|(byte, _)| byte + 1);
        Self { text, lines: std::iter::once(0).chain(lines).collect() }
    }
}

/// The place in `source` of the character at `line` and `column` (from 1) of the text of a scalar.
///
/// The text is laid over the source character by character. Where YAML folds lines or takes quotes and backslashes
/// away the source runs ahead; an escape such as `\u0041` leaves the place off by its length.
pub(crate) fn within(source: &Source<'_>, scalar: &Text, line: usize, column: usize) -> Place {
    let target = offset(&scalar.text, line, column);
    let mut cursor = Cursor::at(source, scalar.place);
    match scalar.style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => cursor.step(),
        // That of a block is where its first line begins.
        ScalarStyle::Literal | ScalarStyle::Folded | ScalarStyle::Plain => {}
    }
    let mut place = cursor.place();
    for (index, wanted) in scalar.text.chars().enumerate() {
        if wanted.is_whitespace() {
            place = cursor.place();
            cursor.skip_space(wanted);
        } else {
            cursor.seek(wanted);
            place = cursor.place();
            cursor.step();
        }
        if index == target {
            return place;
        }
    }
    // Behind the last character: where something is missing.
    if target == 0 { place } else { Place { column: place.column + 1, ..place } }
}

/// How many characters stand before `line` and `column` of `text`.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize =
        text.split('\n').take(line.saturating_sub(1)).map(|line| line.chars().count() + 1).sum();
    before + column.saturating_sub(1)
}

/// A place in the source that moves forward.
struct Cursor<'s> {
    rest: std::iter::Peekable<std::str::Chars<'s>>,
    line: usize,
    column: usize,
}

impl<'s> Cursor<'s> {
    fn at(source: &Source<'s>, place: Place) -> Self {
        let begins = source.lines.get(place.line.saturating_sub(1)).copied().unwrap_or(source.text.len());
        let rest = source.text[begins..].chars().peekable();
        let mut cursor = Self { rest, line: place.line, column: 1 };
        while cursor.column < place.column && cursor.rest.peek().is_some() {
            cursor.step();
        }
        cursor
    }

    fn place(&self) -> Place {
        Place { line: self.line, column: self.column }
    }

    fn step(&mut self) {
        match self.rest.next() {
            Some('\n') => (self.line, self.column) = (self.line + 1, 1),
            Some(_) => self.column += 1,
            None => {}
        }
    }

    /// Over one space; over the whole gap where the line ends.
    fn skip_space(&mut self, wanted: char) {
        let Some(&next) = self.rest.peek().filter(|c| c.is_whitespace()) else { return };
        self.step();
        if wanted == '\n' || matches!(next, '\n' | '\r') {
            while self.rest.peek().is_some_and(|c| c.is_whitespace()) {
                self.step();
            }
        }
    }

    /// To `wanted`, over what only YAML reads.
    fn seek(&mut self, wanted: char) {
        while self
            .rest
            .peek()
            .is_some_and(|&c| c != wanted && (c.is_whitespace() || matches!(c, '\\' | '\'' | '"')))
        {
            self.step();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problems;
    use crate::yaml::{self, Value};

    /// Where `@` of the value stands in the file.
    fn found(source: &str) -> (usize, usize) {
        let mut problems = Problems::default();
        let Some(Value::Map(entries)) = yaml::read(source, &mut problems).map(|node| node.value) else {
            panic!("{problems:?}")
        };
        let Value::Text(text) = &entries[0].1.value else { panic!("no text") };
        let before: Vec<&str> = text.text.split('@').next().unwrap().split('\n').collect();
        let place =
            within(&Source::new(source), text, before.len(), before[before.len() - 1].chars().count() + 1);
        (place.line, place.column)
    }

    #[test]
    fn a_place_is_the_one_in_the_file_in_every_style() {
        for source in [
            "when: one @",
            "when: 'it''s @'",
            "when: \"a \\\"b\\\" @\"",
            "when: '\"038\" + @'",
            "# c\nwhen: |\n  first\n  ệ @",
            "when: |\n  first\n    second @",
            "when: >\n  first\n  second @\n",
            "when: >-\n\n  first\n  second @\n",
            "when: first\n  second\n   third @",
            "when: 'first\n  second @'",
            "when:\n  first @",
            "when: first\r\n  second @\r\n",
        ] {
            let before = source.split('@').next().unwrap();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
            assert_eq!(found(source), (line, column), "{source}");
        }
    }
}
