//! From what is described to what can be presented.

use tower_identity_core::{InvalidSetting, SecretToken};

use super::{
    ClientAuth, In, Method,
    assertion::Signer,
    certificate::{self, Certificate, Place},
    given::Given,
    prover::{Kept, Prover, Way},
    watched::{Read, Source, Watched},
};
use crate::{Http, OwnToken};

impl ClientAuth {
    /// Whether everything that it names is there and can be used.
    pub(crate) fn check(&self) -> Result<(), InvalidSetting> {
        match &*self.method {
            Method::Bearer { from, .. } => from.check_whole().map_err(|wrong| wrong.within("server").within("bearer")),
            Method::Certificate { place, .. } => {
                place.kept(Box::new(Certificate::read), |this| Ok(this.clone())).map(drop)
            }
            _ => self.read().map(drop),
        }
    }

    /// Reads what it names, and connects it.
    pub(crate) fn prover(&self, http: &Http) -> Result<Prover, InvalidSetting> {
        let way = match &*self.method {
            Method::Bearer { from, target } => {
                let client = from.connect(http).map_err(|wrong| wrong.within("server").within("bearer"))?;
                Way::Bearer(OwnToken::new(client, target.clone()))
            }
            Method::Certificate { place, .. } => {
                let shown = |certificate: &Certificate, http: &Http| certificate.shown_by(http);
                let read_by = http.clone();
                let read = Box::new(move |pem: &SecretToken| shown(&Certificate::read(pem)?, &read_by));
                Way::Certificate(place.kept(read, |certificate| shown(certificate, http))?)
            }
            _ => self.read()?.expect("everything else needs no client"),
        };
        Ok(Prover { client_id: self.client_id.clone(), way })
    }

    /// Reads files, where there are some. None of what needs a server.
    fn read(&self) -> Result<Option<Way>, InvalidSetting> {
        let secret_of = |secret: &In<SecretToken>| {
            secret.kept("client_secret_file", Box::new(|secret: &SecretToken| Ok(secret.clone())))
        };
        let way = match &*self.method {
            Method::ClientSecretBasic { secret, encoding } => {
                Way::Basic { secret: secret_of(secret)?, encoding: *encoding }
            }
            Method::ClientSecretPost { secret } => Way::Post { secret: secret_of(secret)? },
            Method::PrivateKeyJwt { key, key_id, style } => {
                let (key_id, read_as) = (key_id.clone(), style.clone());
                let read = move |pem: &SecretToken| Signer::read(pem, key_id.as_ref(), &read_as);
                let signer = key.kept("private_key_file", Box::new(read))?;
                Way::Signed { signer, style: style.clone() }
            }
            Method::Given { file, kind, audience } => {
                let read = Box::new(Given::read);
                let assertion = Watched::new("client_assertion_file", [Source::file(file)], read, false)?;
                Way::Given { assertion, kind: *kind, audience: audience.clone() }
            }
            Method::Certificate { .. } | Method::Bearer { .. } => return Ok(None),
        };
        Ok(Some(way))
    }
}

impl<T: Clone + Send + Sync + 'static> In<T> {
    fn kept(&self, field: &'static str, read: Read<T>) -> Result<Kept<T>, InvalidSetting> {
        match self {
            Self::This(credential) => Ok(Kept::This(credential.clone())),
            Self::Files(files) => {
                let sources = files.iter().map(|file| Source::file(file));
                Watched::new(field, sources, read, true).map(Kept::Watched)
            }
        }
    }
}

impl Place {
    fn kept<T: Send + Sync + 'static>(
        &self,
        read: Read<T>,
        this: impl FnOnce(&Certificate) -> Result<T, String>,
    ) -> Result<Kept<T>, InvalidSetting> {
        const FIELD: &str = certificate::FIELD;
        match self {
            Self::This(certificate) => {
                this(certificate).map(Kept::This).map_err(|wrong| InvalidSetting::new(FIELD, wrong))
            }
            Self::Files(files) => {
                let sources = files.iter().map(|(file, key)| Source::both(file, key));
                Watched::new(FIELD, sources, read, true).map(Kept::Watched)
            }
            Self::Posted(posted) => Watched::new(FIELD, [Source::posted(posted)], read, true).map(Kept::Watched),
        }
    }
}
