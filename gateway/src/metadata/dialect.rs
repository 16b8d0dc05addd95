//! What SQL of its own the database is asked in: every form that another one words differently. Statements are put together from these
//! fragments and are otherwise portable.
//!
//! A list is one parameter, a JSON array, so that a statement is done for all of it at once. Its rows are called `listed`.

/// The rows of the list in a parameter.
macro_rules! listed {
    ($parameter:literal) => {
        concat!("json_each(", $parameter, ") AS listed")
    };
}

/// Where in its list a row stands, from zero on.
macro_rules! position {
    () => {
        "listed.key"
    };
}

/// The text of a row, or of one field of a row that is an array.
macro_rules! text {
    () => {
        "listed.value"
    };
    ($field:literal) => {
        concat!("(listed.value ->> ", $field, ")")
    };
}

/// The number of a row, or of one field of a row that is an array.
macro_rules! number {
    () => {
        "listed.value"
    };
    ($field:literal) => {
        concat!("(listed.value ->> ", $field, ")")
    };
}

/// The texts that an aggregate is over, as one JSON array in the order of the rows.
macro_rules! gathered {
    ($column:literal) => {
        concat!("json_group_array(", $column, ")")
    };
}

/// Which index a table has to be read by.
macro_rules! by_index {
    ($index:literal) => {
        concat!(" INDEXED BY ", $index)
    };
}

/// The condition that entries have these words, and the row of the artifact that words belong to.
macro_rules! words_match {
    ($parameter:literal) => {
        concat!("words MATCH ", $parameter)
    };
}
macro_rules! words_artifact {
    () => {
        "w.rowid"
    };
}

pub(super) use {by_index, gathered, listed, number, position, text, words_artifact, words_match};

/// Adds the words of an entry.
pub(super) const ADD_WORDS: &str =
    "INSERT INTO words (rowid, title, summary, keywords, repository, scope) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
/// Removes the words of an entry.
pub(super) const DELETE_WORDS: &str = "DELETE FROM words WHERE rowid = ?1";
