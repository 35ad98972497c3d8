//! Only `Caller` can be optional: whether there is a user is not whether there is a credential.

use axum::{Router, routing::get};
use axum_identity::UserCaller;

async fn greet(_: Option<UserCaller>) -> &'static str {
    "hello"
}

fn main() {
    let _: Router = Router::new().route("/", get(greet));
}
