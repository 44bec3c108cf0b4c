//! Places for tests.

use airside_postgres::{Home, Postgres};

use crate::{Address, Place, Sharing};

/// Where a role keeps in this home.
pub(crate) fn place(home: &Home, role: &str) -> Place {
    match (home.file(role), home.address()) {
        (Some(file), _) => Place::File(file),
        (None, address) => database(Postgres::shared(), address.unwrap(), role),
    }
}

/// A role's schema in a database of this server.
pub(crate) fn database(server: &Postgres, address: &str, role: &str) -> Place {
    let address: Address = address.parse().unwrap();
    let sharing = Sharing {
        schema: role.to_owned(),
        connections: 5,
    };
    Place::Server(address.with_password(server.password()), sharing)
}
