//! Credentials in, verified tokens out: issuers, key sets kept fresh, claims, binding
