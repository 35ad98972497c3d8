//! Only `Caller` can be optional: whether there is a user is not whether there is a credential.

use axum_identity::UserCaller;

#[axum::debug_handler]
async fn greet(_: Option<UserCaller>) -> &'static str {
    "hello"
}

fn main() {}
