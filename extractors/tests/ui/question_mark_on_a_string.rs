//! A problem is made of errors: a string says nothing about its cause.

use axum_identity::Problem;

fn charge() -> Result<(), String> {
    Err("no".to_owned())
}

fn handler() -> Result<(), Problem> {
    charge()?;
    Ok(())
}

fn main() {
    let _ = handler();
}
