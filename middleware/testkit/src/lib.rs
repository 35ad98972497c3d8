//! Issuers, token services and callers for tests, ours and our users'
