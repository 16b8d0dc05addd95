//! The place of a value in a document, while it is being walked.
//!
//! A place is one step and what it is a step from. Its text is only made where it is told, and never longer than can be told: a key
//! may be a megabyte long and have ten thousand values below it.

/// A place.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Item(usize),
}

impl<'a> Place<'a> {
    /// The document as a whole.
    pub const ROOT: Place<'static> = Place {
        parent: None,
        step: Step::Root,
    };

    /// The place of the value of a key.
    pub fn key(&'a self, key: &'a str) -> Place<'a> {
        Place {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    /// The place of an item of a list.
    pub fn item(&'a self, index: usize) -> Place<'a> {
        Place {
            parent: Some(self),
            step: Step::Item(index),
        }
    }

    /// The key that leads here, where a key does.
    pub fn last_key(&self) -> Option<&'a str> {
        match self.step {
            Step::Key(key) => Some(key),
            Step::Root | Step::Item(_) => None,
        }
    }

    /// The keys and numbers that lead here with points between them, where they have at most so many bytes.
    pub fn dotted(&self, bytes_max: usize) -> Option<String> {
        self.text(bytes_max, |text, part| {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(part);
        })
    }

    /// The same as a JSON pointer.
    pub fn pointer(&self, bytes_max: usize) -> Option<String> {
        self.text(bytes_max, |text, part| {
            text.push('/');
            text.push_str(&crate::chart::metadata::escape(part));
        })
    }

    fn text(&self, bytes_max: usize, add: impl Fn(&mut String, &str)) -> Option<String> {
        let mut steps = Vec::new();
        let mut place = self;
        while let Some(parent) = place.parent {
            steps.push(place.step);
            place = parent;
        }
        let mut text = String::new();
        for step in steps.into_iter().rev() {
            match step {
                Step::Key(key) if key.len() <= bytes_max => add(&mut text, key),
                Step::Key(_) => return None,
                Step::Item(index) => add(&mut text, &index.to_string()),
                Step::Root => {}
            }
            if text.len() > bytes_max {
                return None;
            }
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_where_they_are_short_enough() {
        let auth = Place::ROOT.key("auth");
        let item = auth.item(3);
        let key = item.key("a/b");
        assert_eq!(key.dotted(100).as_deref(), Some("auth.3.a/b"));
        assert_eq!(key.pointer(100).as_deref(), Some("/auth/3/a~1b"));
        assert_eq!(key.dotted(9), None);
        assert_eq!(Place::ROOT.dotted(9).as_deref(), Some(""));
        assert_eq!((key.last_key(), item.last_key()), (Some("a/b"), None));
        let long = "k".repeat(2000);
        assert_eq!(Place::ROOT.key(&long).key("a").pointer(1024), None);
    }
}
