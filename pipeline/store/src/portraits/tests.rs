use airside_postgres::{Home, Postgres};

use super::*;
use crate::{Place, trial::database};

async fn portraits(home: &Home) -> Portraits {
    let server = Postgres::shared();
    let Place::Server(address, sharing) = database(server, home.address().unwrap(), "gallery")
    else {
        panic!("it is on a server");
    };
    let portraits = Portraits::at(&address, &sharing).unwrap();
    portraits.probe().await.unwrap();
    portraits
}

#[tokio::test]
async fn pictures_are_kept_once_a_person_and_erased_with_the_person() {
    let home = Home::on_postgres();
    let (one, other) = (portraits(&home).await, portraits(&home).await);
    let added = [
        one.add("PersonX", b"front").await.unwrap(),
        other.add("PersonX", b"front").await.unwrap(),
        other.add("PersonX", b"side").await.unwrap(),
        other.add("PersonY", b"front").await.unwrap(),
    ];
    assert_eq!(added, [true, false, true, true]);
    let all = one.list().await.unwrap().into_iter().collect::<Vec<_>>();
    let names: Vec<&str> = all.iter().map(|portrait| portrait.name.as_str()).collect();
    assert_eq!(names, ["PersonX", "PersonX", "PersonY"]);
    assert_eq!(one.image(&all[2]).await.unwrap().unwrap(), b"front");
    assert_eq!(other.erase("PersonX").await.unwrap(), 2);
    assert_eq!(other.erase("PersonX").await.unwrap(), 0);
    assert!(one.list().await.unwrap().iter().eq(&all[2..]));
    assert_eq!(one.image(&all[0]).await.unwrap(), None);
}
