//! The field of a user's token that goes beside this service's own.

use http::{HeaderName, header};
use tower_identity_core::fields::{is_credential, same};

use crate::Target;

impl Target {
    /// Two credentials: what the strategy brings of the caller goes in the field of this name, and this service's own token
    /// (RFC 6749 §4.4), for the row's audience and scope, in `Authorization`. Both go, or nothing does. The field is taken
    /// away from every other request, in every spelling. What a request says to be [this service's](crate::RequestExt)
    /// alone goes with the latter alone. Default: one credential, in `Authorization`.
    ///
    /// ```
    /// use tower_identity_outbound::Target;
    ///
    /// let payments =
    ///     Target::origin("https://payments.internal")?.audience("payments").token_exchange().user_token_in("x-user-token");
    /// # let _ = payments;
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// ```
    pub fn user_token_in(mut self, field: &str) -> Self {
        match own_field(field) {
            Ok(name) if same(name.as_str(), "txn-token") => {
                self.note("user_header", "is the field of transaction tokens; make the strategy transaction_token");
            }
            Ok(name) => self.user_header = Some(name),
            Err(rule) => self.note("user_header", rule),
        }
        self
    }
}

/// A field for what is said of a user, which has no other meaning.
///
/// # Errors
///
/// The rule that the name breaks.
pub(crate) fn own_field(name: &str) -> Result<HeaderName, &'static str> {
    const OF_THE_MESSAGE: [HeaderName; 8] = [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    match HeaderName::try_from(name) {
        Ok(name) if is_credential(name.as_str()) => {
            Err("is a field that credentials of requests come in; name one of its own")
        }
        Ok(name) if OF_THE_MESSAGE.contains(&name) => Err("is a field of the message itself"),
        Ok(name) if name.as_str().contains('_') => Err("is written with _, which gateways take for - or drop"),
        Ok(name) => Ok(name),
        Err(_) => Err("is no name of a header field"),
    }
}
