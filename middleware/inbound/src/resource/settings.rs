//! The metadata of a resource, from a file.

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, Scopes};
use tower_identity_verify::Verifier;

use super::ResourceMetadata;

/// The [metadata](ResourceMetadata) of a resource as a table of a file.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `identifier` | the URL that clients know the service by | required |
/// | `authorization_servers` | a list of the issuers that clients may go to | those of the verifier that are URLs |
/// | `scope` | the scopes that a client may ask for: a list, or a string with spaces | none |
/// | `name` | the name of the service, for people | none |
/// | `documentation` | the URL of a page for people who write clients | none |
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceSettings {
    identifier: String,
    authorization_servers: Option<Vec<String>>,
    #[serde(default)]
    scope: Scopes,
    name: Option<String>,
    documentation: Option<String>,
}

impl ResourceSettings {
    /// The metadata, beside this verifier.
    ///
    /// # Errors
    ///
    /// As [`ResourceMetadataBuilder::build`](super::ResourceMetadataBuilder::build).
    pub fn build(self, verifier: &Verifier) -> Result<ResourceMetadata, InvalidSetting> {
        let mut builder = ResourceMetadata::builder(self.identifier).scope(self.scope.to_string());
        if let Some(issuers) = self.authorization_servers {
            builder = builder.authorization_servers(issuers);
        }
        if let Some(name) = self.name {
            builder = builder.name(name);
        }
        if let Some(url) = self.documentation {
            builder = builder.documentation(url);
        }
        builder.build(verifier)
    }
}
