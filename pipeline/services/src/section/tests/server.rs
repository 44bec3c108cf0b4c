//! A server that is away, refuses, cannot be trusted, or has no room: what a section says of it, and that nothing is lost.

use airside_postgres::OverTcp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

use super::*;

/// What a new server takes, and some frames.
const MEGABYTES: u32 = 48;

async fn ready(section: &Trial) {
    let wait = async {
        while section.get("/readyz").await.status != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap();
}

/// Nothing is taken, and the section says that it is not ready. Where a busy machine has a frame wait in vain for its turn, the
/// trouble is seen by a later one.
async fn away(section: &Trial, sequence: u64) {
    let seen = async {
        loop {
            let away = client(section).observe(observation(sequence, 0.0)).await;
            assert_eq!(away.unwrap_err().code(), Code::Unavailable);
            let readiness = section.get("/readyz").await;
            if readiness.status == StatusCode::SERVICE_UNAVAILABLE {
                return readiness;
            }
        }
    };
    let waiting = tokio::time::timeout(LIMIT, seen).await.unwrap();
    assert!(waiting.body.contains("store"), "{}", waiting.body);
}

/// What a start ends with. Where a busy machine makes a server too slow to be told from one that is away, it is waited for.
async fn refused(settings: &Settings) -> String {
    let again = async {
        loop {
            if let Err(error) = build(settings).await {
                return format!("{error} {error:?}");
            }
        }
    };
    tokio::time::timeout(LIMIT, again).await.unwrap()
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_at_the_start_and_later() {
    let server = Postgres::start("");
    let address = server.database();
    let settings = on_server(&server, address.clone());
    server.crash();
    let section = Trial::run(build(&settings).await.unwrap());
    for sequence in [1, 2] {
        let waiting = section.get("/readyz").await;
        assert_eq!(waiting.status, StatusCode::SERVICE_UNAVAILABLE);
        away(&section, sequence).await;
        server.resume();
        ready(&section).await;
        deliver(&section, observation(sequence, 0.0)).await;
        deliver(&section, observation(sequence, 0.0)).await;
        assert_eq!(kept(&server, &address), format!("{sequence}|{sequence}"));
        server.crash();
        away(&section, 9).await;
    }
    section.stop().await;
}

#[tokio::test]
async fn a_server_that_refuses_is_an_error_at_the_start_without_the_password() {
    let server = Postgres::shared();
    let home = Home::on_postgres();
    let password = home.directory().join("password");
    std::fs::write(&password, "s3cret\n").unwrap();
    let mut settings = on_server(server, home.address().unwrap().to_owned());
    settings.storage.server.database_password_file = Some(password);
    let told = format!("{} {settings:?}", refused(&settings).await);
    assert!(told.contains("password authentication failed"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");

    let missing = on_server(server, server.address("nowhere"));
    let told = refused(&missing).await;
    assert!(told.contains("\"nowhere\" does not exist"), "{told}");
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused() {
    let (server, home) = (Postgres::shared(), Home::on_postgres());
    let address = home.address().unwrap().to_owned();
    start(&home).await.stop().await;
    server.sql(
        database(&address),
        "INSERT INTO \"section-1\"._sqlx_migrations
             (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, '', 0)",
    );
    let told = refused(&on_server(server, address)).await;
    assert!(told.contains("newer version"), "{told}");
}

/// A password that is changed under way is as bad as a server that is away, until it is put back.
#[tokio::test]
async fn a_password_that_is_no_longer_right_loses_nothing() {
    let (server, home) = (Postgres::shared(), Home::on_postgres());
    let address = home.address().unwrap();
    let database = database(address);
    let password = |password: &str| format!("ALTER ROLE gate PASSWORD '{password}'");
    server.sql(database, "CREATE ROLE gate LOGIN PASSWORD 'right'");
    server.sql(
        database,
        &format!("ALTER DATABASE {database} OWNER TO gate"),
    );
    let file = home.directory().join("password");
    std::fs::write(&file, "right").unwrap();
    let mut settings = on_server(server, address.replace("airside@", "gate@"));
    settings.storage.server.database_password_file = Some(file);
    let section = Trial::run(build(&settings).await.unwrap());
    deliver(&section, observation(1, 0.0)).await;

    server.sql(database, &password("another"));
    server.sql(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gate'",
    );
    away(&section, 2).await;
    server.sql(database, &password("right"));
    ready(&section).await;
    deliver(&section, observation(2, 0.0)).await;
    deliver(&section, observation(1, 0.0)).await;
    assert_eq!(kept(server, address), "2|2");
    section.stop().await;
}

/// One who vouches for certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        Self(issuer.unwrap())
    }

    /// Lets the server show a certificate for this host that was good until a year.
    fn vouch(&self, server: &OverTcp, host: &str, until: i32) {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        server.present(&certificate.pem(), &key.serialize_pem());
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_its_certificate_alone() {
    const GOOD: i32 = 4000;
    let over_tcp = OverTcp::start();
    let host = over_tcp.host.to_string();
    let [known, unknown] = ["known", "unknown"].map(Authority::new);
    let directory = tempfile::tempdir().unwrap();
    let authorities = directory.path().join("authorities.pem");
    let settings =
        |database: &str| on_server(&over_tcp.server, over_tcp.address(database, &authorities));
    let refused = async || refused(&settings("postgres")).await;

    known.vouch(&over_tcp, &host, GOOD);
    let missing = refused().await;
    assert!(missing.contains("sslrootcert"), "{missing}");
    std::fs::write(&authorities, known.0.pem()).unwrap();
    unknown.vouch(&over_tcp, &host, GOOD);
    let untrusted = refused().await;
    assert!(untrusted.contains("UnknownIssuer"), "{untrusted}");
    known.vouch(&over_tcp, "db.example", GOOD);
    let another = refused().await;
    assert!(another.contains("db.example"), "{another}");
    known.vouch(&over_tcp, &host, 2020);
    let expired = refused().await;
    assert!(expired.contains("expired"), "{expired}");
    assert!(expired.contains(&host), "{expired}");

    known.vouch(&over_tcp, &host, GOOD);
    let database = over_tcp.server.database();
    let section = build(&settings(super::database(&database))).await.unwrap();
    let section = Trial::run(section);
    deliver(&section, observation(1, 0.0)).await;
    // It runs out under way.
    known.vouch(&over_tcp, &host, 2020);
    away(&section, 2).await;
    known.vouch(&over_tcp, &host, GOOD);
    ready(&section).await;
    deliver(&section, observation(2, 0.0)).await;
    deliver(&section, observation(1, 0.0)).await;
    assert_eq!(kept(&over_tcp.server, &database), "2|2");
    section.stop().await;
}

/// The disk of the server is full in the middle of a film; a collector's agent sends what was not taken again.
#[tokio::test]
async fn a_server_without_room_takes_everything_once_there_is_room() {
    const FRAMES: u64 = 200;
    let server = Postgres::start_on_small_disk(MEGABYTES);
    let address = server.database();
    let settings = on_server(&server, address.clone());
    let section = Trial::run(build(&settings).await.unwrap());
    deliver(&section, observation(1, 0.0)).await;
    server.fill();
    let mut frames = 2..=FRAMES;
    let full = loop {
        let sequence = frames.next().expect("the disk is full by then");
        let taken = client(&section).observe(observation(sequence, 0.0)).await;
        let is_ready = section.get("/readyz").await.status == StatusCode::OK;
        match taken {
            Err(status) if !is_ready && status.code() != Code::Unavailable => break status,
            _ => {}
        }
    };
    assert_eq!(full.code(), Code::ResourceExhausted, "{full}");
    assert!(full.message().contains("the disk is full"), "{full}");
    // It stays away, although it could still write in the files that there are.
    let place = settings.storage.place("section-1").unwrap();
    let persons = Persons::open(&place, "1".parse().unwrap()).await.unwrap();
    let probed = persons.probe().await;
    assert!(
        matches!(probed, Err(airside_store::Error::Full(_))),
        "{probed:?}"
    );
    server.release();
    ready(&section).await;
    for sequence in 1..=FRAMES {
        deliver(&section, observation(sequence, 0.0)).await;
    }
    assert_eq!(kept(&server, &address), format!("{FRAMES}|{FRAMES}"));
    section.stop().await;
}
