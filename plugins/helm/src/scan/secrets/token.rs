//! Secrets that are known by their shape.

use std::collections::BTreeSet;

/// A secret that was recognised.
#[derive(Debug, PartialEq)]
pub struct Secret {
    /// The rule that it meets.
    pub rule: &'static str,
    /// What it is, for people.
    pub what: &'static str,
}

/// What a token looks like: a fixed beginning and a run of characters after it.
struct Shape {
    what: &'static str,
    start: &'static str,
    allowed: Allowed,
    length_min: usize,
}

#[derive(Clone, Copy)]
enum Allowed {
    /// Upper case letters and digits.
    Upper,
    /// Letters and digits.
    Alphanumeric,
    /// Letters, digits, `-` and `_`.
    Url,
    /// Letters, digits, `-`, `_` and `.`.
    Dotted,
}

const fn shape(what: &'static str, start: &'static str, allowed: Allowed, length_min: usize) -> Shape {
    Shape {
        what,
        start,
        allowed,
        length_min,
    }
}

/// The beginnings and lengths that the issuers document.
const SHAPES: &[Shape] = &[
    shape("an access key of AWS", "AKIA", Allowed::Upper, 16),
    shape("a temporary access key of AWS", "ASIA", Allowed::Upper, 16),
    shape("a token of GitHub", "ghp_", Allowed::Alphanumeric, 36),
    shape("a token of GitHub", "gho_", Allowed::Alphanumeric, 36),
    shape("a token of GitHub", "ghu_", Allowed::Alphanumeric, 36),
    shape("a token of GitHub", "ghs_", Allowed::Alphanumeric, 36),
    shape("a token of GitHub", "ghr_", Allowed::Alphanumeric, 36),
    shape("a token of GitHub", "github_pat_", Allowed::Url, 60),
    shape("a token of GitLab", "glpat-", Allowed::Url, 20),
    shape("a token of Slack", "xoxb-", Allowed::Url, 20),
    shape("a token of Slack", "xoxp-", Allowed::Url, 20),
    shape("a token of Slack", "xapp-", Allowed::Url, 20),
    shape("a live key of Stripe", "sk_live_", Allowed::Alphanumeric, 20),
    shape("a live key of Stripe", "rk_live_", Allowed::Alphanumeric, 20),
    shape("an API key of Google", "AIza", Allowed::Url, 35),
    shape("a token of the npm registry", "npm_", Allowed::Alphanumeric, 36),
    shape("a token of PyPI", "pypi-AgEI", Allowed::Url, 50),
    shape("a token of Docker Hub", "dckr_pat_", Allowed::Url, 20),
    shape("a token of DigitalOcean", "dop_v1_", Allowed::Alphanumeric, 64),
    shape("a token of Hugging Face", "hf_", Allowed::Alphanumeric, 34),
    shape("a token of Vault", "hvs.", Allowed::Url, 24),
    shape("a key of SendGrid", "SG.", Allowed::Dotted, 60),
    shape("an API key of OpenAI", "sk-proj-", Allowed::Url, 40),
    shape("an API key of Anthropic", "sk-ant-", Allowed::Url, 40),
    shape("a token of Grafana", "glsa_", Allowed::Url, 36),
];

/// Looks for secrets, and counts what that costs.
#[derive(Default)]
pub struct Finder {
    /// How many bytes were looked at one by one.
    looks: u64,
}

impl Finder {
    /// Looks for a secret in a line; the next one tells whether a key follows its first line.
    pub fn find(&mut self, line: &str, next: &str) -> Option<Secret> {
        if is_private_key(line, next) {
            return Some(Secret {
                rule: "helm/secret/private-key",
                what: "a private key",
            });
        }
        let token = SHAPES.iter().find(|shape| self.has(line, shape)).map(|shape| shape.what);
        let token = token.or_else(|| self.has_web_token(line).then_some("a signed JSON web token"));
        token.map(|what| Secret {
            rule: "helm/secret/token",
            what,
        })
    }

    fn has(&mut self, line: &str, shape: &Shape) -> bool {
        let mut run = Run::default();
        line.match_indices(shape.start).any(|(at, start)| {
            let start = at + start.len();
            if start >= run.end {
                run = self.run(line, start, shape.allowed);
            }
            let length = run.end.saturating_sub(start);
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            // Keys of AWS have a fixed length; documentation marks those that are made up.
            let is_whole = !matches!(shape.allowed, Allowed::Upper) || length == shape.length_min;
            length >= shape.length_min
                && is_whole
                && before.is_none_or(|before| !before.is_ascii_alphanumeric() && before != '_')
                && run.example.is_none_or(|example| example < start)
                && run.varied.is_some_and(|varied| start <= varied)
        })
    }

    fn has_web_token(&mut self, line: &str) -> bool {
        const HEADER: &str = "eyJ";
        let mut run = Run::default();
        line.match_indices(HEADER).any(|(at, _)| {
            if at >= run.end {
                run = self.run(line, at, Allowed::Dotted);
            }
            // A token has two points, so they are the last two of its run, and the one before them lies in front of it.
            let [before, Some(first), Some(second)] = run.points else {
                return false;
            };
            let claims = line.get(first + 1..second).unwrap_or_default();
            before.is_none_or(|before| before < at)
                && first >= at + 15
                && claims.starts_with(HEADER)
                && claims.len() >= 15
                && run.end - second > 20
        })
    }

    /// Looks at all characters from a place on that a token may hold. A line has each of them in one run only, however often the
    /// beginning of a token is in it.
    fn run(&mut self, line: &str, start: usize, allowed: Allowed) -> Run {
        const EXAMPLE: &[u8] = b"example";
        const DISTINCT_MIN: usize = 6;
        let bytes = line.as_bytes().get(start..).unwrap_or_default();
        let length = bytes.iter().take_while(|byte| is_allowed(**byte, allowed)).count();
        let token = bytes.get(..length).unwrap_or_default();
        self.looks += token.len() as u64;
        let mut run = Run {
            end: start + length,
            ..Run::default()
        };
        let mut seen = BTreeSet::new();
        for (index, byte) in token.iter().enumerate().rev() {
            if seen.len() < DISTINCT_MIN && seen.insert(*byte) && seen.len() == DISTINCT_MIN {
                run.varied = Some(start + index);
            }
            let rest = token.get(index..index + EXAMPLE.len());
            if run.example.is_none() && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(EXAMPLE)) {
                run.example = Some(start + index);
            }
        }
        let mut points = token
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'.')
            .map(|(index, _)| start + index);
        let (second, first, before) = (points.next(), points.next(), points.next());
        run.points = [before, first, second];
        run
    }
}

/// A run of characters that a token may hold, with what is true of every part of it that ends where it ends.
#[derive(Default)]
struct Run {
    /// Where it ends in the line.
    end: usize,
    /// Where the last `example` in it begins: what begins there or in front holds it.
    example: Option<usize>,
    /// Where the last part begins that has more than a few different characters: `xxxx` is a gap.
    varied: Option<usize>,
    /// Where its last three points are.
    points: [Option<usize>; 3],
}

/// Whether a line begins a key in PEM. Without anything of the key itself it only speaks of one.
fn is_private_key(line: &str, next: &str) -> bool {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "PRIVATE KEY-----";
    const BODY_BYTES_MIN: usize = 16;
    let label = line.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let Some((_, rest)) = label.filter(|(kind, _)| kind.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ')) else {
        return false;
    };
    let is_body = |text: &str| {
        let text = text.trim_start_matches(|character: char| character.is_whitespace() || "#\\nr".contains(character));
        text.bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
            .count()
            >= BODY_BYTES_MIN
    };
    is_body(rest) || is_body(next)
}

fn is_allowed(byte: u8, allowed: Allowed) -> bool {
    match allowed {
        Allowed::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        Allowed::Alphanumeric => byte.is_ascii_alphanumeric(),
        Allowed::Url => byte.is_ascii_alphanumeric() || b"-_".contains(&byte),
        Allowed::Dotted => byte.is_ascii_alphanumeric() || b"-_.".contains(&byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_more_than_its_first_line() {
        let line = ["# key: -----BEGIN RSA ", "PRIVATE KEY-----"].concat();
        let whole = format!("{line}\\nMIIEpAIBAAKCAQEA");
        for (line, next, expected) in [
            (&line, "# should start like that", false),
            (&line, "", false),
            (&line, "#   MIIEpAIBAAKCAQEA", true),
            (&whole, "", true),
        ] {
            assert_eq!(Finder::default().find(line, next).is_some(), expected, "{line} {next}");
        }
    }

    #[test]
    fn tokens_are_known_by_their_shape() {
        // Put together here, so that nothing in this repository looks like a secret itself.
        let join = |start: &str, rest: &str| format!("value: \"{start}{rest}\"");
        let letters = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAcDfGhJkLmNpQ";
        for (line, expected) in [
            (join("AKIA", "Q3EGRIFZPLX7HT2M"), Some("an access key of AWS")),
            (join("AKIA", "IOSFODNN7EXAMPLE"), None),
            (join("AKIA", "Q3EGRIFZPLX7HT2MAAAA"), None),
            (join("ghp_", &letters[..36]), Some("a token of GitHub")),
            (join("ghp_", &letters[..20]), None),
            (join("ghp_", &"x".repeat(36)), None),
            (join("xghp_", &letters[..36]), None),
            (join("glpat-", &letters[..20]), Some("a token of GitLab")),
            (join("-----BEGIN RSA ", "PRIVATE KEY-----"), Some("a private key")),
            (join("-----BEGIN ", "PRIVATE KEY-----"), Some("a private key")),
            (join("-----BEGIN ", "PUBLIC KEY-----"), None),
            (join("-----BEGIN {{ .kind }} ", "PRIVATE KEY-----"), None),
            (
                join(
                    "eyJhbGciOiJIUzI1NiJ9.",
                    "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
                ),
                Some("a signed JSON web token"),
            ),
            (join("eyJhbGciOiJIUzI1NiJ9", ""), None),
            ("plain: text".to_owned(), None),
        ] {
            assert_eq!(
                Finder::default().find(&line, "  MIIEpAIBAAKCAQEA").map(|secret| secret.what),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn decoys_do_not_hide_a_token() {
        let letters = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAcDfGhJkLmNpQ";
        let token = ["glpat-", &letters[..24]].concat();
        let web = [
            "eyJhbGciOiJIUzI1NiJ9.",
            "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        ]
        .concat();
        for (line, expected) in [
            (format!("glpat-xxxxxxxxxxxxxxxxxxxxxxxx {token}"), true),
            (format!("glpat-example-{token}"), true),
            (format!("glpat-{token}-example"), false),
            (format!("{}{web}", "eyJ.".repeat(10)), true),
            (format!("{web}.{}", "eyJ.".repeat(10)), false),
        ] {
            assert_eq!(Finder::default().find(&line, "").is_some(), expected, "{line}");
        }
    }

    #[test]
    fn a_line_is_looked_at_once_for_each_shape() {
        for (repeated, end) in [
            ("glpat-", "example"),
            ("eyJ", ""),
            ("eyJ.", ""),
            ("sk-ant-", "example"),
            ("AKIA", ""),
        ] {
            let looks = |count: usize| {
                let mut finder = Finder::default();
                finder.find(&format!("{}{end}", repeated.repeat(count)), "");
                finder.looks
            };
            let (one, two) = (looks(10_000), looks(20_000));
            assert!(two <= 2 * one + 100, "{repeated}: {one} looks, {two} at a line twice as long");
        }
    }
}
