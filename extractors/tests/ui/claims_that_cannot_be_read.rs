//! The claims have to be a type that can be read.

use axum_identity::Claims;

struct Department;

#[axum::debug_handler]
async fn department(_: Claims<Department>) -> &'static str {
    "books"
}

fn main() {}
