//! Chaining by an identity assertion.

use tower_identity_core::{Audience, InvalidName, Refusal};
use tower_identity_oauth::TokenClient;

use super::chaining::{Chaining, Profile, not_a_grant};

/// The identity provider vouches for the user at their server, which an identity assertion names by its issuer.
pub(crate) fn source(ours: TokenClient, theirs: TokenClient, id_token: bool) -> Result<Chaining, InvalidName> {
    let audience = Audience::parse(theirs.issuer().as_str())?;
    Ok(Chaining { ours, theirs, audience, profile: Profile::IdJag { id_token } })
}

/// It is for the client that we are there (§3 of the draft).
pub(super) fn check_client(client_id: Option<&str>, theirs: &TokenClient) -> Result<(), Refusal> {
    if client_id == Some(theirs.client_id().as_str()) {
        return Ok(());
    }
    let detail = format!("expected its client_id to be {:?}, which is who we are there", theirs.client_id().as_str());
    Err(not_a_grant("assertion_client").detail(detail))
}
