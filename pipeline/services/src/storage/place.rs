//! The settings that say where a role keeps what it keeps.

use std::{fs, io, path::PathBuf};

use airside_store::{Address, Place, Portraits, Sharing};

/// What the setting `database` names.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Server(Address),
}

/// What a role needs to know of PostgreSQL beside its address.
#[derive(clap::Args, Clone, Debug)]
pub struct OnServer {
    /// File with the password for PostgreSQL, which then need not stand in the address.
    #[arg(long, env = "AIRSIDE_DATABASE_PASSWORD_FILE", value_name = "FILE")]
    pub database_password_file: Option<PathBuf>,
    /// Most connections to PostgreSQL of this instance.
    #[arg(long, env = "AIRSIDE_DATABASE_CONNECTIONS", default_value_t = 5, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_connections: u32,
}

/// The file with the password cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {} (setting database-password-file): {source}", file.display())]
pub struct PasswordFile {
    /// The file.
    file: PathBuf,
    /// Why.
    source: io::Error,
}

/// Name of the schema of the persons of interest.
const GALLERY: &str = "gallery";

impl OnServer {
    /// The schema of a role.
    pub(crate) fn place(&self, address: &Address, role: &str) -> Result<Place, PasswordFile> {
        Ok(Place::Server(self.login(address)?, self.sharing(role)))
    }

    /// The persons of interest.
    ///
    /// # Errors
    /// The file with the password cannot be read.
    pub fn portraits(&self, address: &Address) -> Result<Portraits, PasswordFile> {
        let portraits = Portraits::at(&self.login(address)?, &self.sharing(GALLERY));
        Ok(portraits.expect("the schema has a short name"))
    }

    fn sharing(&self, schema: &str) -> Sharing {
        Sharing {
            schema: schema.to_owned(),
            connections: self.database_connections,
        }
    }

    fn login(&self, address: &Address) -> Result<Address, PasswordFile> {
        Ok(match &self.database_password_file {
            None => address.clone(),
            Some(file) => {
                let password = fs::read_to_string(file).map_err(|source| PasswordFile {
                    file: file.clone(),
                    source,
                })?;
                // Editors end a file with a line break, which is no part of the password.
                let password = password.trim_end_matches(['\n', '\r']).to_owned();
                address.clone().with_password(password)
            }
        })
    }
}

/// Reads the setting `database`. What does not begin as an address is a file.
pub(super) fn read(text: &str) -> Result<Chosen, String> {
    if Address::is_meant(text) {
        read_address(text).map(Chosen::Server)
    } else {
        Ok(Chosen::File(text.into()))
    }
}

/// Reads the setting `database` where that is no file.
///
/// # Errors
/// What is no address, with the accepted form.
pub fn read_address(text: &str) -> Result<Address, String> {
    text.parse()
        .map_err(|error: airside_store::InvalidAddress| error.to_string())
}
