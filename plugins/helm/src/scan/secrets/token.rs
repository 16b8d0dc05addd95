//! Secrets that are known by their shape.

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

/// Looks for a secret in a line; the next one tells whether a key follows its first line.
pub fn find(line: &str, next: &str) -> Option<Secret> {
    if is_private_key(line, next) {
        return Some(Secret {
            rule: "helm/secret/private-key",
            what: "a private key",
        });
    }
    let token = SHAPES.iter().find(|shape| is_in(line, shape)).map(|shape| shape.what);
    let token = token.or_else(|| is_web_token(line).then_some("a signed JSON web token"));
    token.map(|what| Secret {
        rule: "helm/secret/token",
        what,
    })
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

fn is_in(line: &str, shape: &Shape) -> bool {
    line.match_indices(shape.start).any(|(at, start)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let rest = line.get(at + start.len()..).unwrap_or_default();
        let run = rest.bytes().take_while(|byte| is_allowed(*byte, shape.allowed)).count();
        let token = rest.get(..run).unwrap_or_default();
        // Keys of AWS have a fixed length; documentation marks those that are made up.
        let is_whole = !matches!(shape.allowed, Allowed::Upper) || run == shape.length_min;
        run >= shape.length_min
            && is_whole
            && before.is_none_or(|before| !before.is_ascii_alphanumeric() && before != '_')
            && !token.to_ascii_lowercase().contains("example")
            && is_varied(token)
    })
}

fn is_allowed(byte: u8, allowed: Allowed) -> bool {
    match allowed {
        Allowed::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        Allowed::Alphanumeric => byte.is_ascii_alphanumeric(),
        Allowed::Url => byte.is_ascii_alphanumeric() || b"-_".contains(&byte),
        Allowed::Dotted => byte.is_ascii_alphanumeric() || b"-_.".contains(&byte),
    }
}

/// Whether a token has more than a few different characters: `xxxx` is a gap.
fn is_varied(token: &str) -> bool {
    const DISTINCT_MIN: usize = 6;
    token.bytes().collect::<std::collections::BTreeSet<u8>>().len() >= DISTINCT_MIN
}

fn is_web_token(line: &str) -> bool {
    const HEADER: &str = "eyJ";
    line.match_indices(HEADER).any(|(at, _)| {
        let rest = line.get(at..).unwrap_or_default();
        let run = rest.bytes().take_while(|byte| is_allowed(*byte, Allowed::Dotted)).count();
        let parts: Vec<&str> = rest.get(..run).unwrap_or_default().split('.').collect();
        matches!(parts.as_slice(), [header, claims, signature]
            if header.len() >= 15 && claims.starts_with(HEADER) && claims.len() >= 15 && signature.len() >= 20)
    })
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
            assert_eq!(find(line, next).is_some(), expected, "{line} {next}");
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
                find(&line, "  MIIEpAIBAAKCAQEA").map(|secret| secret.what),
                expected,
                "{line}"
            );
        }
    }
}
