//! Core knows nothing of axum: what a handler takes is a `Caller`, which is a context.

use tower_identity_core::CallerContext;

#[axum::debug_handler]
async fn whoami(caller: CallerContext) -> String {
    caller.principal().workload().id.to_string()
}

fn main() {}
