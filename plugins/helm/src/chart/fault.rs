//! What keeps Helm from loading a chart.

/// One reason why Helm could not load a chart, or why nobody should.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The id of the rule.
    pub rule: &'static str,
    /// What is wrong and what to change: full sentences.
    pub message: String,
    /// The file in the chart.
    pub path: Option<String>,
    /// Line and column in the file, counted from 1.
    pub position: Option<(u32, u32)>,
    /// The value in the file, as a JSON pointer.
    pub pointer: Option<String>,
}

impl Fault {
    /// States a fault of the chart as a whole.
    pub fn new(rule: &'static str, message: impl Into<String>) -> Fault {
        Fault {
            rule,
            message: message.into(),
            path: None,
            position: None,
            pointer: None,
        }
    }

    /// Says in which file.
    #[must_use]
    pub fn in_file(mut self, path: &str) -> Fault {
        self.path = Some(path.to_owned());
        self
    }

    /// Says at which line and column.
    #[must_use]
    pub fn at(mut self, line: u32, column: u32) -> Fault {
        self.position = Some((line, column));
        self
    }

    /// Says at which value.
    #[must_use]
    pub fn pointing(mut self, pointer: &str) -> Fault {
        self.pointer = Some(pointer.to_owned());
        self
    }

    /// Moves the fault of a subchart to the place of the subchart. A packaged subchart is one file: the place inside it goes into the
    /// message.
    #[must_use]
    pub(super) fn within(mut self, directory: &str, packaged: bool) -> Fault {
        let inner = self.path.take();
        if packaged {
            let file = inner.map(|path| format!(" ({path} inside of it)")).unwrap_or_default();
            self.message = format!("Subchart {directory}{file} cannot be loaded: {}", self.message);
            self.path = Some(directory.to_owned());
            self.position = None;
            self.pointer = None;
        } else {
            self.path = Some(inner.map_or_else(|| directory.to_owned(), |path| format!("{directory}/{path}")));
        }
        self
    }
}
