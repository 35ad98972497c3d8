//! Talking to an authorization server: metadata, token endpoint, grants, client authentication
