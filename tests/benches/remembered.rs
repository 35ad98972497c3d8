//! What a remembered token costs in memory, beyond its text and its claims, where there are a million of them: as the
//! system counts the memory of this process, and so with whatever the allocator and the maps take for themselves.

use std::process::ExitCode;

use futures_util::FutureExt;
use serde_json::json;
use tower_identity::{Algorithm, KeySet, Remember, SigningKey, TrustedIssuer, Verifier, system_clock};
use tower_identity_jose::MediaType;

const TOKENS: u32 = 1_000_000;

/// The most that one may cost, in bytes.
const LIMIT: u64 = 1024;

const HOME: &str = "https://login.example.com";

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let key = SigningKey::generate(Algorithm::EdDsa).expect("a key");
    let keys = KeySet::from_keys([key.verifying_key()]).expect("a key");
    let home = TrustedIssuer::keys(HOME, keys).audience("payments").algorithms([Algorithm::EdDsa]);
    let remember = Remember::default().tokens(2 * TOKENS).bytes(16 << 30);
    let verifier = Verifier::builder(home).remember(remember).build().expect("valid");
    let now = system_clock().wall().as_secs();
    let token = |number: u32| {
        let claims = json!({
            "iss": HOME, "aud": "payments", "sub": format!("user-{number:07}"), "client_id": "storefront",
            "scope": "payments:charge payments:read", "jti": format!("{number:032x}"), "iat": now, "exp": now + 36_000,
        });
        key.sign(&MediaType::ACCESS_TOKEN, &claims).expect("signed")
    };
    let verify = |number| {
        let token = token(number);
        let caller = verifier.bearer(token.expose()).now_or_never().expect("its keys are given").expect("good");
        let claims = token.expose().split('.').nth(1).map_or(0, |payload| payload.len() * 3 / 4);
        (caller, token.expose().len() + claims)
    };

    let before = resident();
    // What was written and what was read are the token's own; all else is ours.
    let own: u64 = (0..TOKENS).map(|number| verify(number).1 as u64).sum();
    let cost = (resident() - before).saturating_sub(own) / u64::from(TOKENS);
    let (first, again) = (verify(0).0, verify(0).0);
    assert!(std::sync::Arc::ptr_eq(first.caller_token(), again.caller_token()), "it is remembered");
    println!(
        "\na remembered token among {TOKENS}: {cost} bytes (at most {LIMIT}) beyond the {} of its text and its claims",
        own / u64::from(TOKENS)
    );
    if cost > LIMIT { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The memory of this process, in bytes: its resident pages, of the usual size.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("a system that says so");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096
}
