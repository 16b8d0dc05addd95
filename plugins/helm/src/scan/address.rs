//! Whether texts are addresses, as strictly as `helm lint` asks.

/// Whether a text is an address for mail.
pub fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else {
        return false;
    };
    let user_is_right = !user.is_empty()
        && !user.starts_with('.')
        && !user.ends_with('.')
        && !user.contains("..")
        && user
            .chars()
            .all(|character| character.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(character));
    user_is_right && host.contains('.') && is_host(host)
}

/// Whether a text is a URL, with a scheme or without.
pub fn is_url(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    !text.chars().any(char::is_whitespace) && is_host(host) && (host.contains('.') || host == "localhost")
}

/// Whether a text is a URL with a scheme.
pub fn is_absolute(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !text.chars().any(char::is_control)
        && !rest
            .strip_prefix("//")
            .is_some_and(|rest| rest.split('/').next().is_some_and(|host| host.contains(' ')))
}

fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .chars()
                    .all(|character| character.is_alphanumeric() || character == '-' || character == '_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("a@example.com", true),
            ("a.b+c@x.example.com", true),
            ("a", false),
            ("a@b", false),
            ("a b@c.de", false),
        ] {
            assert_eq!(is_email(text), expected, "{text}");
        }
        for (text, expected) in [
            ("https://example.com/a?b", true),
            ("example.com", true),
            ("http://localhost:80", true),
            ("no url", false),
            ("x", false),
        ] {
            assert_eq!(is_url(text), expected, "{text}");
        }
        for (text, expected) in [
            ("https://example.com", true),
            ("oci://h/x", true),
            ("example.com/x", false),
            ("/a", false),
            ("git@h.com:x", false),
            ("", false),
        ] {
            assert_eq!(is_absolute(text), expected, "{text}");
        }
    }
}
