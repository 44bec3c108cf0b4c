//! The pictures of persons of interest, on a server that the instances of face recognition share.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use airside_core::Timestamp;
use sqlx::migrate::Migrator;

use crate::{
    Address, Error, Sharing,
    database::{Database, sql},
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres/gallery");

/// The pictures.
#[derive(Clone, Debug)]
pub struct Portraits {
    database: Database,
}

/// Which picture of whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Portrait {
    /// The person.
    pub name: String,
    /// SHA-256 of the picture, in hexadecimal digits.
    pub digest: String,
}

impl Portraits {
    /// Knows where the pictures are. Nothing works until [`Self::probe`] has found the server.
    ///
    /// # Errors
    /// No schema can have such a name.
    pub fn at(address: &Address, sharing: &Sharing) -> Result<Self, Error> {
        let database = Database::on_server(address, sharing, &MIGRATIONS)?;
        Ok(Self { database })
    }

    /// Finds out whether the database works; the first time, brings it up to date.
    ///
    /// # Errors
    /// It does not.
    pub async fn probe(&self) -> Result<(), Error> {
        self.database.probe().await
    }

    /// Adds a picture; `false` if this person has it already.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn add(&self, name: &str, image: &[u8]) -> Result<bool, Error> {
        let mut session = self.database.write().await?;
        let insert = sql("INSERT INTO portrait (name, digest, image, added_at)
             VALUES ($1, encode(sha256($2), 'hex'), $2, $3) ON CONFLICT DO NOTHING")
        .bind(name)
        .bind(image)
        .bind(Timestamp::now().as_micros());
        let added = session.execute(insert).await? > 0;
        session.commit().await?;
        Ok(added)
    }

    /// All pictures.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn list(&self) -> Result<BTreeSet<Portrait>, Error> {
        let select = sql("SELECT name, digest FROM portrait");
        let rows: Vec<(String, String)> = self.database.read().await?.rows(select).await?;
        let portrait = |(name, digest)| Portrait { name, digest };
        Ok(rows.into_iter().map(portrait).collect())
    }

    /// A picture; `None` if it has been erased.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn image(&self, portrait: &Portrait) -> Result<Option<Vec<u8>>, Error> {
        let select = sql("SELECT image FROM portrait WHERE name = $1 AND digest = $2")
            .bind(&portrait.name)
            .bind(&portrait.digest);
        let row: Option<(Vec<u8>,)> = self.database.read().await?.row(select).await?;
        Ok(row.map(|(image,)| image))
    }

    /// Erases a person with all pictures; how many there were.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn erase(&self, name: &str) -> Result<u64, Error> {
        let mut session = self.database.write().await?;
        let delete = sql("DELETE FROM portrait WHERE name = $1").bind(name);
        let erased = session.execute(delete).await?;
        session.commit().await?;
        Ok(erased)
    }
}
