//! The claims have to be a type that can be read.

use axum::{Router, routing::get};
use axum_identity::Claims;

struct Department;

async fn department(_: Claims<Department>) -> &'static str {
    "books"
}

fn main() {
    let _: Router = Router::new().route("/", get(department));
}
