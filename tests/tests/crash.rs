//! The gateway is killed at any moment, and nothing that it acknowledged is lost; and the system calls of a push come in the order
//! that makes this true of a machine that loses its power as well.
#![allow(missing_docs, reason = "a test is not an interface")]

mod crash {
    mod api;
    mod order;
    mod recovery;
    mod rounds;
    mod soak;
    mod state;
    mod stress;
    mod worker;
}
