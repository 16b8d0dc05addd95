//! Every statement finds its rows through an index, however large the tables grow.

use super::*;
use crate::metadata::{apply, read};

#[tokio::test]
async fn no_statement_scans_a_table() {
    let db = database();
    let file = db.folder.path().join("metadata.sqlite");
    let connection = rusqlite::Connection::open(file).unwrap();
    for sql in read::statements().into_iter().chain(apply::statements()) {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan = statement
            .raw_query()
            .mapped(|row| row.get::<_, String>(3))
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        for step in &plan {
            // What a subquery found by an index, and the JSON of a parameter, are read as a whole.
            let scanned = step
                .strip_prefix("SCAN ")
                .filter(|scanned| !scanned.starts_with("listed ") && *scanned != "CONSTANT ROW");
            let found = |scanned: &str| plan.iter().any(|other| other.strip_prefix("CO-ROUTINE ") == Some(scanned));
            assert!(scanned.is_none_or(found), "{sql}\n{plan:#?}");
            assert!(!step.contains("USE TEMP B-TREE FOR ORDER BY"), "{sql}\n{plan:#?}");
        }
    }
}
