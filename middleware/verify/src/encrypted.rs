//! Tokens that are encrypted to this service: what is inside is verified as any token is.

use std::{fmt, io::Read, path::Path, sync::Arc};

use tower_identity_core::{InvalidSetting, Refusal, SecretToken, VerifiedToken};
use tower_identity_jose::{Compact, DecryptionKey, DecryptionKeys};
use tower_identity_refresh::open_regular;

use crate::{
    TrustedIssuer, Verification, check,
    claim::refuse,
    claims::{Claims, Unread},
    inner::Inner,
    remembered::Memory,
    trusted::{Trusted, Vouched, issuer_among, unreadable},
};

/// The longest file that holds a key, in bytes.
const LONGEST_FILE: u64 = 64 * 1024;

impl TrustedIssuer {
    /// Says that this issuer's tokens are encrypted to one of these keys (JWE around a signed token, RFC 7519 §5.2), so that
    /// nobody on their way reads them: several, of which each is known to the issuer for some of the time.
    ///
    /// By ECDH-ES on P-256 and A256GCM; what is inside is verified as any token of the issuer. One of its tokens that is not
    /// encrypted is refused then, and one of another issuer that is. An encrypted token is decrypted and verified on each
    /// request, for nothing of it is [remembered](crate::Remember). What this service relays or exchanges of it is what was
    /// inside.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use tower_identity_jose::DecryptionKey;
    /// use tower_identity_testkit::{Endpoint, TestIssuer};
    /// use tower_identity_verify::{TrustedIssuer, Verifier, check};
    ///
    /// let (login, ours) = (TestIssuer::start(), DecryptionKey::generate());
    /// let home = TrustedIssuer::keys_at(login.issuer().as_str(), login.url(Endpoint::Keys)).audience("orders");
    /// let verifier = Verifier::builder(home.encrypted_to([ours.clone()])).build()?;
    ///
    /// let token = login.token().subject("alice").client("storefront").audience("orders").build();
    /// let encrypted = ours.encryption_key().encrypt(&token);
    /// assert!(verifier.bearer(encrypted.expose()).await.is_ok());
    /// let refused = verifier.bearer(token.expose()).await.expect_err("for anybody to read");
    /// assert_eq!(refused.check(), check::ENCRYPTION);
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn encrypted_to(mut self, keys: impl IntoIterator<Item = DecryptionKey>) -> Self {
        self.encrypted_to.get_or_insert_default().extend(keys);
        self
    }
}

/// The keys in these files, of which relative ones start at `folder`.
pub(crate) fn read(files: &[String], folder: &Path) -> Result<Vec<DecryptionKey>, InvalidSetting> {
    let key = |file: &String| {
        let file = folder.join(file);
        let unusable = |why: &dyn fmt::Display| {
            InvalidSetting::new("decryption_key_file", format!("no key in {}: {why}", file.display()))
        };
        let mut text = String::new();
        let read = open_regular(&file).and_then(|open| open.take(LONGEST_FILE).read_to_string(&mut text));
        read.map_err(|why| unusable(&why))?;
        DecryptionKey::from_pem(&text).map_err(|why| unusable(&why))
    };
    files.iter().map(key).collect()
}

/// The keys that tokens of any of these are encrypted to. Each is there once, whoever has it: of a token that names none, few
/// are tried.
pub(crate) fn keys<'i>(issuers: impl IntoIterator<Item = &'i Arc<Trusted>>) -> DecryptionKeys {
    let mut all: Vec<DecryptionKey> = Vec::new();
    for key in issuers.into_iter().flat_map(|issuer| issuer.rules.encrypted_to.iter().flat_map(|keys| keys.iter())) {
        if !all.iter().any(|other| other.encryption_key() == key.encryption_key()) {
            all.push(key.clone());
        }
    }
    DecryptionKeys::new(all)
}

/// That a token of this issuer comes as its tokens have to: encrypted or not.
pub(crate) fn is_as_agreed(issuer: &Trusted, is_encrypted: bool) -> Result<(), Refusal> {
    let rules = &issuer.rules;
    let detail = match (rules.encrypted_to.is_some(), is_encrypted) {
        (true, false) => "tokens of its issuer are encrypted here, and this one is not",
        (false, true) => "tokens of its issuer are not encrypted here, and this one is",
        _ => return Ok(()),
    };
    Err(refuse(check::ENCRYPTION, detail).issuer(rules.anchor.name().clone()))
}

/// The token that was verified, under the text that it goes on in.
#[expect(clippy::disallowed_methods, reason = "this is the verification that has seen what it came in")]
pub(crate) fn enclosed(token: &VerifiedToken, text: &SecretToken) -> Arc<VerifiedToken> {
    Arc::new(token.enclosed_in(text.clone()))
}

impl Inner {
    /// What is inside of an encrypted token.
    pub(crate) fn decrypted(&self, token: &str) -> Result<SecretToken, Refusal> {
        let unread = |why| refuse(check::ENCRYPTION, "it is encrypted, and not to be read here").caused_by(why);
        self.decryption.decrypt(token, &self.limits).map_err(unread)
    }

    /// Verifies what is inside of an encrypted token. Nothing of it is remembered, unless it is a transaction token: that goes on
    /// to others as it came, and so is known by what it came in.
    pub(crate) fn verify_encrypted(&self, token: &str, trusted: &[Arc<Trusted>], memory: &Arc<Memory>) -> Verification {
        match self.opened(token, trusted) {
            Err(refusal) => Verification::decided(Err(refusal)),
            Ok((compact, trusted)) => {
                let (arrived, memory) = (self.clock.monotonic(), Arc::clone(memory));
                let goes_on = trusted.rules.table.is_of_transactions().then(|| SecretToken::new(token));
                Verification::fetching(Box::pin(async move {
                    let mut claims = Claims::default();
                    let token = compact.claims_by(Unread(&mut claims)).map_err(unreadable)?;
                    let Vouched { caller, grounds } = trusted.settle(token, arrived).await?;
                    let Some(text) = goes_on else { return Ok(caller) };
                    let token = enclosed(caller.caller_token(), &text);
                    let caller = trusted.caller(token, caller.judged_at());
                    Ok(memory.keep(&trusted, Vouched { caller, grounds }))
                }))
            }
        }
    }

    fn opened(&self, token: &str, trusted: &[Arc<Trusted>]) -> Result<(Compact, Arc<Trusted>), Refusal> {
        let inside = self.decrypted(token)?;
        let compact = Compact::parse_knowing(inside.expose(), &self.limits, &self.headers).map_err(unreadable)?;
        let issuer = {
            let mut claims = Claims::default();
            let token = compact.claims_by(Unread(&mut claims)).map_err(unreadable)?;
            Arc::clone(issuer_among(trusted, token.claims_unverified())?)
        };
        is_as_agreed(&issuer, true)?;
        Ok((compact, issuer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verifier;

    /// Callers' issuers stand for users', too, where no others are named.
    #[test]
    fn jwe_a4_a_key_is_tried_once_whoevers_tokens_are_encrypted_to_it() {
        let keys: [_; 3] = std::array::from_fn(|_| DecryptionKey::generate());
        let [one, both, other] = keys.clone();
        let issuer = |name: &str, keys: [DecryptionKey; 2]| {
            TrustedIssuer::discover(format!("https://{name}.example")).audience("orders").encrypted_to(keys)
        };
        let builder = Verifier::builder(issuer("login", [one, both.clone()])).issuer(issuer("partner", [both, other]));
        let verifier = builder.build().expect("valid");
        let tried: Vec<_> = verifier.0.now.load().decryption.public_jwks().collect();
        assert_eq!(tried, keys.map(|key| key.encryption_key().to_jwk()));
    }
}
