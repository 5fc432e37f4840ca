//! Secrets: written in the file, in a variable, in a file of their own, or handed over by systemd.
//! No message quotes one.

use secrecy::SecretString;

use super::{expand, item::Item, section::Section};

/// Where systemd puts what `LoadCredential=` and `SetCredential=` name.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The text of a secret key: `x` holds it, `x_env` names a variable, `x_file` a file and
/// `x_credential` one of systemd's credentials; in a table of its own `env`, `file` and `credential` do.
pub(super) fn text(item: &Item<'_>) -> Result<String, String> {
    let text = if item.key.ends_with("env") {
        from_env(item)?
    } else if item.key.ends_with("file") {
        item.reading.file(&item.word()?)?.to_string()
    } else if item.key.ends_with("credential") {
        from_credential(item)?
    } else {
        item.text()?.into_owned()
    };
    if text.trim().is_empty() {
        return Err(match item.key.strip_suffix("env") {
            Some(_) => format!("the environment variable {} is empty; set it", item.word()?),
            None => "is empty; put the secret there or leave the key out".to_owned(),
        });
    }
    Ok(text)
}

fn from_credential(item: &Item<'_>) -> Result<String, String> {
    let name = item.word()?;
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if !name.chars().all(plain) || name.starts_with('.') {
        return Err(
            "is no credential's name; write it as LoadCredential= has it, such as \"kimi\""
                .to_owned(),
        );
    }
    let Some(folder) = item.reading.env.non_empty(CREDENTIALS) else {
        return Err(format!(
            "systemd hands over no credentials here; add LoadCredential={name}:FILE to the unit, or use another key outside systemd"
        ));
    };
    let file = std::path::Path::new(&folder).join(&name);
    Ok(item.reading.file(&file.display().to_string())?.to_string())
}

fn from_env(item: &Item<'_>) -> Result<String, String> {
    let name = item.word()?;
    let is_plain = |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_';
    if name.chars().all(is_plain) {
        return expand::variable(&name, item.reading.env);
    }
    // A name like no other may be the secret itself, pasted into the wrong key.
    expand::variable(&name, item.reading.env).map_err(|_| {
        format!(
            "names no environment variable that is set; write a variable's name such as \"{}\", not the secret",
            match item.key.strip_suffix("_env") {
                Some(what) => what.to_uppercase(),
                None => "TOKEN".to_owned(),
            }
        )
    })
}

/// One secret out of the keys `x`, `x_env` and `x_file`: surrounding blanks are no part of it.
pub(super) fn one(section: &Section<'_>, keys: &[&'static str]) -> Option<SecretString> {
    section.one_of(keys)?.read(|item| {
        let text = text(item)?;
        Ok::<_, String>(SecretString::from(text.trim()))
    })
}
