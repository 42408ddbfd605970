//! YAML as rule files need it: texts, lists and maps, each with its place in the file.
//!
//! Every scalar is the text that stands there: `0123` keeps its zero, and `no` is no truth value. Anchors, tags and
//! further documents are refused; they would hide what a file says from the people who read it.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::problem::{Place, Problems};

/// A rule file nests five deep.
const DEEPEST: usize = 16;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(Text),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A scalar.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) place: Place,
    pub(crate) text: String,
    pub(crate) style: ScalarStyle,
}

/// The name of a map's entry.
pub(crate) type Key = Text;

impl Node {
    /// What it is, in the words of a problem.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Reads the one document of `text`; `None` when there is none, or when it is no YAML.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Option<Node> {
    let mut reader = Reader { open: Vec::new(), root: None, documents: 0, problems };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => reader.take(event, start(span))?,
            Err(error) => {
                let place = Place { line: error.marker().line(), column: error.marker().col() + 1 };
                reader.problems.add(place, format!("this is not YAML: {}", error.info()), YAML_MEND);
                return None;
            }
        }
    }
    reader.root
}

const YAML_MEND: &str = "Look at the indentation and the quotes before this place; an expression that begins with a quote, or holds \
    `: ` or ` #`, stands in single quotes as a whole: '\"038\" + phone.sub_string(4)'";

fn start(span: Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

/// Puts the tree together. A method that answers `None` has noted a problem after which reading on is no use.
struct Reader<'p> {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    problems: &'p mut Problems,
}

/// A list or map that is not closed yet.
enum Open {
    List(Place, Vec<Node>),
    /// With the key whose value comes next, and all keys so far.
    Map(Place, Vec<(Key, Node)>, Option<Key>, HashSet<String>),
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, place: Place) -> Option<()> {
        match event {
            Event::DocumentStart(_) => self.document(place),
            Event::Alias(_) => self.refuse(place),
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag)
                if anchor > 0 || tag.is_some() =>
            {
                self.refuse(place)
            }
            Event::Scalar(text, style, ..) => {
                let text = Text { place, text: text.into_owned(), style };
                self.add(Node { place, value: Value::Text(text) })
            }
            Event::SequenceStart(..) => self.open(Open::List(place, Vec::new()), place),
            Event::MappingStart(..) => self.open(Open::Map(place, Vec::new(), None, HashSet::new()), place),
            Event::SequenceEnd | Event::MappingEnd => {
                let node = match self.open.pop()? {
                    Open::List(place, items) => Node { place, value: Value::List(items) },
                    Open::Map(place, entries, ..) => Node { place, value: Value::Map(entries) },
                };
                self.add(node)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Some(()),
        }
    }

    fn document(&mut self, place: Place) -> Option<()> {
        self.documents += 1;
        if self.documents > 1 {
            self.problems.add(
                place,
                "a second document starts here",
                "Put each rule file in a file of its own",
            );
            return None;
        }
        Some(())
    }

    fn refuse(&mut self, place: Place) -> Option<()> {
        let what = "anchors (`&`), references (`*`) and tags (`!`) have no place here";
        let mend = "Write values out where they are needed; what begins with one of these signs stands in single quotes";
        self.problems.add(place, what, mend);
        None
    }

    fn open(&mut self, open: Open, place: Place) -> Option<()> {
        self.open.push(open);
        if self.open.len() > DEEPEST {
            self.problems.add(place, "this is nested too deep", "A rule file needs five levels at most");
            return None;
        }
        Some(())
    }

    /// Puts `node` into what is open around it.
    fn add(&mut self, node: Node) -> Option<()> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, _, key @ None, keys)) => {
                let Value::Text(text) = node.value else {
                    let what = "a list or a map stands where a name is needed";
                    self.problems.add(node.place, what, "Write `name: value`");
                    return None;
                };
                if !keys.insert(text.text.clone()) {
                    let what = format!("`{}` stands here a second time", text.text);
                    self.problems.add(text.place, what, "Keep one of the two");
                }
                *key = Some(text);
            }
            Some(Open::Map(_, entries, key, _)) => entries.extend(key.take().map(|key| (key, node))),
        }
        Some(())
    }
}
