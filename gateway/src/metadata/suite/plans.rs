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
            // Scans of what a subquery made, which has a limit, and of the list of types are bounded.
            let bounded = ["SCAN json_each", "SCAN (subquery", "SCAN j", "SCAN e", "SCAN CONSTANT"]
                .iter()
                .any(|scan| {
                    step.starts_with(scan)
                        && plan
                            .iter()
                            .any(|other| other.contains("SUBQUERY") || other.contains("CO-ROUTINE"))
                        || *step == "SCAN CONSTANT ROW"
                });
            assert!(!step.starts_with("SCAN") || bounded, "{sql}\n{plan:#?}");
            assert!(!step.contains("USE TEMP B-TREE FOR ORDER BY"), "{sql}\n{plan:#?}");
        }
    }
}
