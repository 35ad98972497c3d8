//! A handler takes its caller by value.

use axum::{Router, routing::get};
use axum_identity::Caller;

async fn whoami(caller: &Caller) -> String {
    caller.workload().id.to_string()
}

fn main() {
    let _: Router = Router::new().route("/", get(whoami));
}
