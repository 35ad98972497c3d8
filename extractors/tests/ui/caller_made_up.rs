//! A caller comes out of a request; no code can make one up.

use axum_identity::{Caller, UserCaller};

fn promote(caller: Caller) -> UserCaller {
    UserCaller(caller)
}

fn main() {
    let _ = promote;
}
