//! One search for an issuer's metadata.

use tower_identity_core::Issuer;

use super::{DiscoveryError, DiscoveryFailure, location::Locations};
use crate::{Endpoint, Http, MetadataError, ServerMetadata};

/// What a search looks for, and where.
#[derive(Debug)]
pub(super) struct Search {
    /// The issuer that a document must name.
    pub(super) issuer: Issuer,
    pub(super) locations: Locations,
    /// Whether a document may name private addresses.
    pub(super) may_be_private: bool,
    pub(super) http: Http,
}

impl Search {
    /// A location that has no such document leads to the next. A server that is down, and a document of another issuer,
    /// end the search: the next location is the same server's.
    ///
    /// What is found at the first location is compared with what is at the second, if anything is there. Not when it
    /// says what was found `before` and compared then: so it costs one more request at the start and whenever something
    /// changes, and none in the hours between.
    pub(super) async fn search(&self, before: Option<&ServerMetadata>) -> Result<ServerMetadata, DiscoveryError> {
        let Locations { first, second } = &self.locations;
        let fail = |tried: &[&Endpoint], failure| {
            let tried = tried.iter().map(|endpoint| (*endpoint).clone()).collect();
            DiscoveryError::new(self.issuer.clone(), tried, failure)
        };
        match (self.look(first).await, second) {
            (Ok(found), None) => Ok(found),
            (Ok(found), Some(_)) if before == Some(&found) => Ok(found),
            (Ok(found), Some(second)) => match disagreement(&found, &self.look(second).await) {
                None => Ok(found),
                Some(member) => Err(fail(&[first, second], DiscoveryFailure::Disagreement { member })),
            },
            (Err(failure), Some(second)) if leads_on(&failure) => {
                self.look(second).await.map_err(|failure| fail(&[first, second], failure))
            }
            (Err(failure), _) => Err(fail(&[first], failure)),
        }
    }

    async fn look(&self, location: &Endpoint) -> Result<ServerMetadata, DiscoveryFailure> {
        let fetched = self.http.get_json_bytes(location).await.map_err(DiscoveryFailure::Fetch)?;
        ServerMetadata::parse_with(&self.issuer, fetched.body(), self.may_be_private)
            .map_err(DiscoveryFailure::Document)
    }
}

fn leads_on(failure: &DiscoveryFailure) -> bool {
    match failure {
        DiscoveryFailure::Fetch(error) => !error.is_transient(),
        DiscoveryFailure::Document(MetadataError::OtherIssuer { .. }) | DiscoveryFailure::Disagreement { .. } => false,
        DiscoveryFailure::Document(_) => true,
    }
}

/// The member in which a second document says something else. One that is not there, or cannot be had now, says
/// nothing: an issuer need not have two.
fn disagreement(found: &ServerMetadata, other: &Result<ServerMetadata, DiscoveryFailure>) -> Option<&'static str> {
    match other {
        Ok(other) => found.disagreement(other),
        Err(DiscoveryFailure::Document(MetadataError::OtherIssuer { .. })) => Some("issuer"),
        Err(_) => None,
    }
}
