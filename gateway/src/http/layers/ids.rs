//! The id of a request, which its answer carries and every line of the log about it: the client's own, where it is one that fits into a
//! log, else one that no other request had, of this run of the gateway or another.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
};
use tower_http::request_id::{MakeRequestId, RequestId};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that a client may choose: twice what trace ids and UUIDs need.
const ID_BYTES_MAX: usize = 64;

/// Makes ids: a word that each run of the gateway draws anew, and a number.
#[derive(Clone)]
pub(super) struct Ids {
    run: Arc<str>,
    next: Arc<AtomicU64>,
}

impl Ids {
    pub(super) fn new() -> Self {
        Self {
            run: format!("{:016x}-", uuid::Uuid::new_v4().as_u64_pair().0).into(),
            next: Arc::default(),
        }
    }
}

impl MakeRequestId for Ids {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = HeaderValue::try_from(format!("{}{number:x}", self.run)).expect("digits and a dash are a header value");
        Some(RequestId::new(id))
    }
}

/// Takes an id away that a client chose and that is none: the log and other programs read it.
pub(super) fn without_odd_ids(mut request: Request) -> Request {
    let mut chosen = request.headers().get_all(REQUEST_ID).iter();
    let odd = match (chosen.next(), chosen.next()) {
        (None, _) => false,
        (Some(id), None) => !is_sane(id.as_bytes()),
        (Some(_), Some(_)) => true,
    };
    if odd {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

fn is_sane(id: &[u8]) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// Returns the id of a request, which the layers around have given it.
pub(super) fn id(request: &Request) -> HeaderValue {
    request
        .extensions()
        .get::<RequestId>()
        .map_or(HeaderValue::from_static("-"), |id| id.header_value().clone())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use axum::body::Body;

    use super::*;

    #[test]
    fn no_two_runs_and_no_two_requests_share_an_id() {
        let request = Request::new(Body::empty());
        let (mut one, mut two) = (Ids::new(), Ids::new());
        let made: HashSet<_> = (0..100)
            .flat_map(|_| [one.make_request_id(&request), two.make_request_id(&request)])
            .map(|id| id.unwrap().into_header_value())
            .collect();
        assert_eq!(made.len(), 200);
        assert!(made.iter().all(|id| is_sane(id.as_bytes())));
    }

    #[test]
    fn ids_of_clients_are_taken_where_they_fit_into_a_log() {
        let kept = |ids: &[&[u8]]| {
            let mut request = Request::new(Body::empty());
            for id in ids {
                request.headers_mut().append(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
            }
            without_odd_ids(request).headers().contains_key(REQUEST_ID)
        };
        assert!(kept(&[b"0af7651916cd43dd8448eb211c80319c"]) && kept(&[b"build-7_a.b"]));
        for odd in [&b""[..], b"a b", b"a\"b", b"a=b", b"\xff", &[b'a'; 65]] {
            assert!(!kept(&[odd]), "{odd:?}");
        }
        assert!(!kept(&[b"a", b"b"]));
    }
}
