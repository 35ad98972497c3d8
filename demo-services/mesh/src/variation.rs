//! What a mesh does otherwise than its files say: as data, a list of changes of their text, and what the services see of it.

use clap::Args;

use crate::{AuthorityAs, Mode, Part, mesh::Change, mode::Exception, mtls, product::Shape};

/// How a mesh differs from what its files say. By default, in nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Variation {
    /// Have the authority issue and answer in the shape of this product
    #[arg(long, value_name = "PRODUCT", global = true, conflicts_with = "mode")]
    pub authority_as: Option<AuthorityAs>,
    /// How the services come by tokens for each other
    #[arg(long, value_enum, value_name = "MODE", global = true, default_value_t)]
    pub mode: Mode,
    /// Have every hop over mutual TLS, by certificates that are made for this run
    #[arg(long, global = true)]
    pub mtls: bool,
}

impl Variation {
    /// What the files say instead.
    pub(crate) fn changes(self) -> Vec<Change<'static>> {
        let by_product = self.authority_as.map_or(&[][..], |product| product.table().changes);
        let by_certificate = mtls::REQUIRED.into_iter().filter(|(part, _)| mtls::names_its_callers(*part, self));
        [by_product, self.mode.table().changes, &by_certificate.collect::<Vec<_>>()].concat()
    }

    /// What cannot hold.
    pub(crate) fn exceptions(self) -> impl Iterator<Item = &'static Exception> {
        let of_product = self.authority_as.map_or(&[][..], |product| product.table().exceptions);
        let by_certificate = if self.relates_certificates() { mtls::EXCEPTIONS } else { &[] };
        of_product.iter().chain(self.mode.table().exceptions).chain(by_certificate)
    }

    /// Whether orders and payments take certificates for their callers' credentials.
    pub(crate) fn relates_certificates(self) -> bool {
        mtls::names_its_callers(Part::Payments, self)
    }

    pub(crate) fn shape(self) -> Shape {
        self.authority_as.map_or(Shape::OURS, |product| product.table().shape)
    }
}
