//! The table `[tls]`: the certificate of this service, for both sides of a connection, and whose servers it trusts.

use tower_identity_core::InvalidSetting;
use tower_identity_outbound::OutboundBuilder;
#[cfg(feature = "tls")]
use tower_identity_tls::{ClientTls, ClientTlsBuilder, ServerTls, ServerTlsBuilder, TlsSettings};
use tower_identity_verify::VerifierBuilder;

#[cfg(feature = "tls")]
use super::Settings;
use super::{Document, SettingsError};

/// The table's name.
const TABLE: &str = "tls";

/// The field by which it is ours.
const ROOTS: &str = "roots";

/// What the table configures: nothing, where it names no roots.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnTls {
    #[cfg(feature = "tls")]
    client: Option<ClientTls>,
}

impl OwnTls {
    /// Reads the table, if it is this one: a table of the name without `roots` is the service's own.
    pub(super) fn read(document: &Document) -> Result<Self, SettingsError> {
        if !document.has(TABLE, ROOTS) {
            return Ok(Self::default());
        }
        Self::of(document)
    }

    #[cfg(feature = "tls")]
    fn of(document: &Document) -> Result<Self, SettingsError> {
        let client = table(document)?.and_then(|table| table.client().transpose());
        let client = client.map(|builder| builder.and_then(ClientTlsBuilder::build)).transpose();
        Ok(Self { client: client.map_err(|invalid| refuse(document, &invalid))? })
    }

    #[cfg(not(feature = "tls"))]
    fn of(document: &Document) -> Result<Self, SettingsError> {
        let off = InvalidSetting::new(ROOTS, "needs the feature `tls` of tower-identity, which is off");
        Err(document.locate(&off.within(TABLE)))
    }

    /// Connects to issuers by it.
    pub(super) fn to_issuers(&self, builder: VerifierBuilder) -> VerifierBuilder {
        #[cfg(feature = "tls")]
        let builder = self.client.iter().fold(builder, |builder, tls| builder.tls(tls.config()));
        builder
    }

    /// Connects to authorization servers by it.
    pub(super) fn to_servers(&self, builder: OutboundBuilder) -> OutboundBuilder {
        #[cfg(feature = "tls")]
        let builder = self.client.iter().fold(builder, |builder, tls| builder.tls(tls.config()));
        builder
    }
}

#[cfg(feature = "tls")]
impl Settings {
    /// How this service listens: the certificate of the table `[tls]`, and what it asks of clients. Nothing where the file has
    /// no such table, or one without a certificate: then it listens without TLS.
    ///
    /// ```no_run
    /// use axum::Router;
    /// use tokio::net::TcpListener;
    /// use tower_identity::{EachConnection, Settings, TlsListener};
    ///
    /// # async fn serve(app: Router) -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = Settings::from_path("orders.toml")?;
    /// let tcp = TcpListener::bind("[::]:8443").await?;
    /// match settings.server_tls()? {
    ///     Some(tls) => axum::serve(TlsListener::new(tcp, tls), EachConnection::new(app)).await?,
    ///     None => axum::serve(tcp, EachConnection::new(app)).await?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the table breaks a rule, or a file of it cannot be used.
    pub fn server_tls(&self) -> Result<Option<ServerTls>, SettingsError> {
        let Some(table) = table(&self.document)?.filter(TlsSettings::has_certificate) else { return Ok(None) };
        let server = table.builder().and_then(ServerTlsBuilder::build);
        server.map(Some).map_err(|invalid| refuse(&self.document, &invalid))
    }

    /// How this service connects: by the roots of the table `[tls]`, with its certificate. Nothing where the file names no roots.
    ///
    /// Issuers and authorization servers of this file are asked by it already. It is for the clients of this service: the one of
    /// reqwest, and by [`ClientTls::connector`] the one of tonic.
    ///
    /// ```no_run
    /// use tower_identity::Settings;
    ///
    /// let settings = Settings::from_path("orders.toml")?;
    /// let mut builder = reqwest::Client::builder();
    /// if let Some(tls) = settings.client_tls() {
    ///     builder = builder.tls_backend_preconfigured(tls.config());
    /// }
    /// let http = settings.outbound()?.reqwest(builder)?;
    /// # let _ = http;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn client_tls(&self) -> Option<ClientTls> {
        self.tls.client.clone()
    }
}

/// The table, which describes a listener too.
#[cfg(feature = "tls")]
fn table(document: &Document) -> Result<Option<TlsSettings>, SettingsError> {
    Ok(document.table::<TlsSettings>(TABLE)?.map(|table| table.beside(document.directory())))
}

#[cfg(feature = "tls")]
fn refuse(document: &Document, invalid: &InvalidSetting) -> SettingsError {
    document.locate(&invalid.clone().within(TABLE))
}

#[cfg(all(test, not(feature = "tls")))]
mod tests {
    use crate::Settings;

    #[test]
    fn tls_b3_without_the_feature_a_file_that_needs_it_is_refused() {
        let read = |text: &str| Settings::parse(text, "orders.toml").map(drop).map_err(|refused| refused.to_string());
        let rule = "orders.toml:2: tls.roots: needs the feature `tls` of tower-identity, which is off";
        assert_eq!(read("[tls]\nroots = 'mesh.pem'\n"), Err(rule.to_owned()));
        assert_eq!(read("[tls]\ncertificate = 'own.pem'\n"), Ok(()));
    }
}
