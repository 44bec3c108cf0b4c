//! A server that is reached by TCP and TLS, at a loopback address that nobody else uses.

use std::{io::Write as _, net::Ipv4Addr, process::Stdio};

use crate::{Postgres, unprivileged};

/// The server, and where it is. One a process.
#[derive(Debug)]
pub struct OverTcp {
    /// The server.
    pub server: Postgres,
    /// Its address, whose certificate names it.
    pub host: Ipv4Addr,
}

impl OverTcp {
    /// Starts it. Nobody gets in before [`present`](Self::present).
    #[must_use]
    pub fn start() -> Self {
        // No two processes have one number, which has 22 bits at most; 127.0.0.1 is everybody's.
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let host = Ipv4Addr::new(127, high + 1, middle, low);
        let server = Postgres::start(&format!("listen_addresses = '{host}'"));
        server.sql("postgres", "ALTER SYSTEM SET ssl = on");
        Self { server, host }
    }

    /// From now on it shows this certificate to who connects, both in PEM; who is connected is cut off.
    pub fn present(&self, certificate: &str, key: &str) {
        self.server.crash();
        self.write("server.crt", certificate);
        self.write("server.key", key);
        self.server.resume();
    }

    /// Address of a database for who wants to be sure of the server: vouched for by the authorities in this file.
    #[must_use]
    pub fn address(&self, database: &str, authorities: &std::path::Path) -> String {
        let (host, file) = (self.host, authorities.display());
        format!("postgres://airside@{host}/{database}?sslmode=verify-full&sslrootcert={file}")
    }

    /// Writes a file that is the server's alone.
    fn write(&self, name: &str, text: &str) {
        let mut writing = unprivileged("sh")
            .args(["-c", "umask 077 && cat >\"$0\""])
            .arg(self.server.folder.join("data").join(name))
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh is there");
        let mut input = writing.stdin.take().expect("it is piped");
        input.write_all(text.as_bytes()).expect("it is read");
        drop(input);
        assert!(writing.wait().expect("it is our child").success());
    }
}
