//! What a mesh does otherwise than its files say: as data, a list of changes of their text, and what the services see of it.

use clap::Args;

use crate::{AuthorityAs, Mode, mesh::Change, mode::Exception, product::Shape};

/// How a mesh differs from what its files say. By default, in nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Variation {
    /// Have the authority issue and answer in the shape of this product
    #[arg(long, value_name = "PRODUCT", global = true, conflicts_with = "mode")]
    pub authority_as: Option<AuthorityAs>,
    /// How the services come by tokens for each other
    #[arg(long, value_enum, value_name = "MODE", global = true, default_value_t)]
    pub mode: Mode,
}

impl Variation {
    /// What the files say instead.
    pub(crate) fn changes(self) -> Vec<Change<'static>> {
        let by_product = self.authority_as.map_or(&[][..], |product| product.table().changes);
        [by_product, self.mode.table().changes].concat()
    }

    /// What cannot hold.
    pub(crate) fn exceptions(self) -> impl Iterator<Item = &'static Exception> {
        let of_product = self.authority_as.map_or(&[][..], |product| product.table().exceptions);
        of_product.iter().chain(self.mode.table().exceptions)
    }

    pub(crate) fn shape(self) -> Shape {
        self.authority_as.map_or(Shape::OURS, |product| product.table().shape)
    }
}
