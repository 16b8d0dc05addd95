//! Statements are worded so that another database takes them as well; what only this one understands comes from `dialect` alone.

use std::path::Path;

use crate::metadata::{apply, dialect, read};

/// Words of SQL that may stand where a column could.
const WORDS: [&str; 14] = [
    "AND", "OR", "NOT", "WHERE", "CASE", "WHEN", "THEN", "ELSE", "END", "IS", "NULL", "DISTINCT", "FROM", "SET",
];

/// Splits a statement into words, numbers and signs.
fn tokens(sql: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let quoted = first == '\'';
        let word = |c: char| c.is_ascii_alphanumeric() || "_.?".contains(c);
        let length = if quoted {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// Returns the place behind the parenthesis that closes the one at a place.
fn behind(tokens: &[&str], open: usize) -> usize {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate().skip(open) {
        match *token {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    tokens.len()
}

/// Says what of a statement other databases do not take.
fn complaints(sql: &str) -> Vec<String> {
    let tokens = tokens(sql);
    let at = |place: usize| tokens.get(place).copied().unwrap_or_default();
    let mut found = Vec::new();
    let mut complain = |what: &str, place: usize| found.push(format!("{what}: {}", tokens[place..].join(" ")));
    for place in 0..tokens.len() {
        match (at(place), at(place + 1), at(place + 2)) {
            ("INSERT", "OR", _) => complain("an upsert is written ON CONFLICT", place),
            ("IS", "NOT", "DISTINCT") => {}
            ("IS", next, after) if next.starts_with('?') || next == "NOT" && after.starts_with('?') => {
                complain("IS compares with NULL alone", place);
            }
            (column, ..) if column.eq_ignore_ascii_case("offset") || column.ends_with(".offset") => {
                complain("a reserved word", place);
            }
            ("DISTINCT", parameter, _) | (parameter, "IS", _) if parameter.starts_with('?') => {
                complain("a parameter without a type", place);
            }
            ("x", literal, _) if literal.starts_with('\'') => complain("a literal of bytes", place),
            ("max" | "min", "(", _) if has_comma(&tokens[place + 1..behind(&tokens, place + 1)]) => {
                complain("the larger of two is a CASE", place);
            }
            ("FROM" | "JOIN", "(", "SELECT") => {
                let alias = at(behind(&tokens, place + 1));
                if alias.is_empty() || alias.chars().all(|c| !c.is_ascii_lowercase()) {
                    complain("a subquery without a name", place);
                }
            }
            ("CROSS", "JOIN", _) => {
                let mut end = place + 3;
                if at(end) == "(" {
                    end = behind(&tokens, end);
                }
                while at(end) == "AS" || !at(end).is_empty() && at(end).chars().all(|c| c.is_ascii_lowercase()) {
                    end += 1;
                }
                if at(end) == "ON" {
                    complain("a CROSS JOIN has no condition", place);
                }
            }
            ("DO", "UPDATE", "SET") => {
                for place in place + 3..tokens.len() {
                    let name = at(place);
                    let column = name.starts_with(|c: char| c.is_ascii_alphabetic()) && !WORDS.contains(&name);
                    let set = at(place + 1) == "=" && matches!(at(place - 1), "SET" | ",");
                    if column && !set && !name.contains('.') {
                        complain("a column of nobody", place);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

fn has_comma(tokens: &[&str]) -> bool {
    let mut depth = 0;
    tokens.iter().any(|token| {
        depth += i32::from(*token == "(") - i32::from(*token == ")");
        *token == "," && depth == 1
    })
}

#[test]
fn every_statement_is_portable() {
    let mut all = read::statements();
    all.extend(apply::statements());
    all.extend(read::unplanned());
    all.extend([dialect::ADD_WORDS, dialect::DELETE_WORDS]);
    assert!(all.len() > 90, "{}", all.len());
    for sql in all {
        assert_eq!(complaints(sql), Vec::<String>::new());
    }
}

#[test]
fn each_form_that_is_not_portable_is_seen() {
    let forms = [
        "INSERT OR REPLACE INTO a (b) VALUES (?1)",
        "SELECT 1 FROM a WHERE b IS ?1",
        "SELECT 1 FROM a WHERE b IS NOT ?1",
        "SELECT offset FROM a",
        "SELECT a.offset FROM a",
        "SELECT 1 FROM a WHERE (?1 IS NULL OR b = ?1)",
        "INSERT INTO a (b, c) SELECT DISTINCT ?1, d FROM e",
        "UPDATE a SET b = x'' WHERE c = ?1",
        "UPDATE a SET b = max(b - 1, 0) WHERE c = ?1",
        "SELECT b FROM (SELECT b FROM a)",
        "SELECT (SELECT count(*) FROM (SELECT b FROM a)), 1",
        "SELECT 1 FROM a CROSS JOIN c ON c.b = a.b",
        "SELECT 1 FROM f(?1) CROSS JOIN c d ON d.b = 1",
        "INSERT INTO a (b, c) VALUES (?1, 1) ON CONFLICT (b) DO UPDATE SET c = c + 1",
        "INSERT INTO a (b, c) VALUES (?1, 1) ON CONFLICT (b) DO UPDATE SET c = 1 WHERE c <> 1",
    ];
    for sql in forms {
        assert_eq!(complaints(sql).len(), 1, "{sql}: {:?}", complaints(sql));
    }
}

#[test]
fn what_one_database_understands_stands_in_one_place() {
    let forms = [
        "json_each",
        "json_group_array",
        "->>",
        "INDEXED BY",
        " MATCH ",
        "rowid",
        "INTO words",
        "FROM words WHERE",
    ];
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metadata")];
    let (mut seen, mut looked_at) = (Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend((!path.ends_with("suite")).then_some(path));
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            looked_at += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            seen.extend(
                code.flat_map(|line| forms.into_iter().filter(|form| line.contains(form)))
                    .map(|form| (name.clone(), form)),
            );
        }
    }
    assert!(looked_at > 30, "{looked_at}");
    for form in forms {
        assert!(seen.contains(&("dialect".to_owned(), form)), "{form} is said nowhere");
    }
    seen.retain(|(name, _)| name != "dialect");
    assert_eq!(seen, []);
}
