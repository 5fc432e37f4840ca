//! `proxy` and `ca_file`: the way out to one server.

use std::sync::Arc;

use super::{item::Item, section::Section, types::Network, urls};

/// Reads both keys; what is wrong with one is reported, and fails the file.
pub(super) fn read(section: &Section<'_>) -> Network {
    Network {
        proxy: section.read("proxy", |item| urls::proxy(&item.word()?)),
        ca: section.read("ca_file", certificates),
    }
}

/// The file's bytes, once they are known to be certificates.
fn certificates(item: &Item<'_>) -> Result<Arc<[u8]>, String> {
    let path = item.reading.path(&item.word()?);
    let bytes = item.reading.bytes(&path)?;
    match reqwest::Certificate::from_pem_bundle(&bytes) {
        Ok(found) if !found.is_empty() => Ok(Arc::from(bytes)),
        _ => Err(format!(
            "{} holds no certificate; name a PEM file with -----BEGIN CERTIFICATE-----",
            path.display()
        )),
    }
}
