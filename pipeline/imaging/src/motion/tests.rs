use super::*;

const WIDTH: u32 = 160;
const HEIGHT: u32 = 90;
/// Time between two pictures.
const STEP: Duration = Duration::from_millis(200);

/// A drawn scene: a pattern with edges, lit, grainy, with things in it.
struct Scene {
    light: f32,
    offset: f32,
    grain: i32,
    shift: u32,
    seed: u32,
    things: Vec<(Rect, u8)>,
}

impl Scene {
    fn new() -> Self {
        Self {
            light: 1.0,
            offset: 0.0,
            grain: 0,
            shift: 0,
            seed: 1,
            things: Vec::new(),
        }
    }

    fn draw(&mut self) -> Grey {
        let mut pixels = Vec::new();
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let tile = ((x + self.shift) / 20 + y / 15) % 3;
                let mut value = [60.0, 110.0, 170.0][tile as usize];
                let inside = |rect: &Rect| {
                    (rect.x..rect.x + rect.width).contains(&x)
                        && (rect.y..rect.y + rect.height).contains(&y)
                };
                if let Some((_, own)) = self.things.iter().rev().find(|(rect, _)| inside(rect)) {
                    value = f32::from(*own);
                }
                self.seed = self
                    .seed
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                let grain = (self.seed >> 16) as i32 % (2 * self.grain + 1) - self.grain;
                pixels.push(
                    (value * self.light + self.offset + grain as f32).clamp(0.0, 255.0) as u8,
                );
            }
        }
        Grey::new(WIDTH, HEIGHT, pixels).unwrap()
    }
}

fn motion() -> Motion {
    Motion::new(
        Sensitivity {
            contrast: 12.0,
            area: 0.005,
        },
        None,
    )
}

/// A person of a fortieth of the picture.
fn person(x: u32) -> (Rect, u8) {
    let rect = Rect {
        x,
        y: 30,
        width: 12,
        height: 30,
    };
    (rect, 20)
}

/// Shows the scene for so long, changed by `act` before each picture; in how many pictures something moved.
fn moved(
    motion: &mut Motion,
    scene: &mut Scene,
    seconds: u32,
    mut act: impl FnMut(&mut Scene, u32),
) -> u32 {
    let pictures = seconds * 5;
    (0..pictures)
        .filter(|number| {
            act(scene, *number);
            motion.watch(&scene.draw(), STEP).unwrap().moves()
        })
        .count() as u32
}

fn settled(scene: &mut Scene) -> Motion {
    let mut motion = motion();
    assert_eq!(
        moved(&mut motion, scene, 10, |_, _| {}),
        0,
        "an empty scene is still"
    );
    motion
}

#[test]
fn who_walks_by_is_seen_where_he_is_and_leaves_nothing_behind() {
    let mut scene = Scene::new();
    let mut motion = settled(&mut scene);
    for x in (0..140).step_by(4) {
        scene.things = vec![person(x)];
        let seen = motion.watch(&scene.draw(), STEP).unwrap();
        let [bounds] = seen.bounds[..] else {
            panic!("{x}: {seen:?}")
        };
        assert!(
            bounds.x.abs_diff(x) <= 3 && bounds.width.abs_diff(12) <= 6,
            "{x}: {bounds:?}"
        );
        assert!((0.015..0.04).contains(&seen.share), "{x}: {}", seen.share);
    }
    scene.things.clear();
    assert_eq!(moved(&mut motion, &mut scene, 5, |_, _| {}), 0);
}

#[test]
fn noise_is_learned_and_people_are_seen_through_it() {
    let mut scene = Scene {
        grain: 12,
        ..Scene::new()
    };
    let mut motion = motion();
    moved(&mut motion, &mut scene, 10, |_, _| {});
    assert_eq!(moved(&mut motion, &mut scene, 30, |_, _| {}), 0);
    let seen = moved(&mut motion, &mut scene, 4, |scene, number| {
        scene.things = vec![person(number * 6)]
    });
    assert!(seen >= 18, "{seen} of 20");
}

#[test]
fn a_camera_that_turns_noisy_is_quiet_again_soon() {
    let mut scene = Scene::new();
    let mut motion = settled(&mut scene);
    scene.grain = 14;
    moved(&mut motion, &mut scene, 10, |_, _| {});
    assert_eq!(moved(&mut motion, &mut scene, 20, |_, _| {}), 0);
}

#[test]
fn daylight_that_changes_slowly_is_no_motion() {
    let mut scene = Scene {
        grain: 2,
        ..Scene::new()
    };
    let mut motion = settled(&mut scene);
    let dusk = moved(&mut motion, &mut scene, 60, |scene, _| {
        scene.light -= 0.6 / 300.0
    });
    assert_eq!(dusk, 0);
}

#[test]
fn the_cameras_exposure_is_made_up_for() {
    let mut scene = Scene {
        grain: 2,
        ..Scene::new()
    };
    let mut motion = settled(&mut scene);
    let steps = moved(&mut motion, &mut scene, 10, |scene, number| {
        scene.offset = [0.0, 18.0][number as usize / 5 % 2]
    });
    assert_eq!(steps, 0);
}

#[test]
fn a_lamp_is_news_once_however_often_it_is_switched() {
    let mut scene = Scene {
        grain: 2,
        ..Scene::new()
    };
    let mut motion = settled(&mut scene);
    let first = moved(&mut motion, &mut scene, 10, |scene, number| {
        scene.light = [1.4, 0.7][number as usize / 5 % 2]
    });
    assert!((1..=3).contains(&first), "{first}");
    let later = moved(&mut motion, &mut scene, 20, |scene, number| {
        scene.light = [1.4, 0.7][number as usize / 5 % 2]
    });
    assert_eq!(later, 0);
    let with_person = moved(&mut motion, &mut scene, 4, |scene, number| {
        scene.light = [1.4, 0.7][number as usize / 5 % 2];
        scene.things = vec![person(number * 6)];
    });
    assert!(with_person >= 16, "{with_person} of 20");
}

#[test]
fn one_who_fills_the_picture_is_not_taken_for_light() {
    let mut scene = Scene {
        grain: 2,
        ..Scene::new()
    };
    let mut motion = settled(&mut scene);
    let seen = moved(&mut motion, &mut scene, 8, |scene, number| {
        let coat = Rect {
            x: number,
            y: 0,
            width: 118,
            height: HEIGHT,
        };
        scene.things = vec![(coat, 35), (person(number + 40).0, 90)];
    });
    assert_eq!(seen, 40);
    scene.things.clear();
    assert_eq!(moved(&mut motion, &mut scene, 5, |_, _| {}), 0);
}

#[test]
fn a_screen_that_blinks_in_a_corner_is_background_before_long() {
    let mut scene = Scene {
        grain: 2,
        ..Scene::new()
    };
    let mut motion = settled(&mut scene);
    let screen = Rect {
        x: 100,
        y: 10,
        width: 30,
        height: 20,
    };
    let blink = |scene: &mut Scene, number: u32| {
        scene.things = vec![(screen, [30, 230][number as usize / 4 % 2])]
    };
    let first = moved(&mut motion, &mut scene, 40, blink);
    assert!(first > 20, "{first}");
    assert_eq!(moved(&mut motion, &mut scene, 30, blink), 0);
}

#[test]
fn what_is_put_down_is_background_before_long_and_so_is_its_place() {
    let mut scene = Scene {
        grain: 2,
        ..Scene::new()
    };
    let mut motion = settled(&mut scene);
    scene.things = vec![person(70)];
    let put = moved(&mut motion, &mut scene, 20, |_, _| {});
    assert!((40..=60).contains(&put), "ten seconds: {put}");
    assert_eq!(moved(&mut motion, &mut scene, 30, |_, _| {}), 0);
    scene.things.clear();
    let taken = moved(&mut motion, &mut scene, 30, |_, _| {});
    assert_eq!(taken, 0, "the scene without it is still known");
}

#[test]
fn a_shaking_camera_is_no_motion() {
    let mut scene = Scene {
        grain: 2,
        ..Scene::new()
    };
    let mut motion = settled(&mut scene);
    let shaken = moved(&mut motion, &mut scene, 20, |scene, number| {
        scene.shift = number * 7 % 2
    });
    assert_eq!(shaken, 0);
}

#[test]
fn what_is_too_small_or_too_faint_does_not_count() {
    let mut scene = Scene::new();
    let mut motion = settled(&mut scene);
    let cat = |number: u32| Rect {
        x: number * 5,
        y: 60,
        width: 9,
        height: 7,
    };
    let small = moved(&mut motion, &mut scene, 5, |scene, number| {
        scene.things = vec![(cat(number), 240)]
    });
    assert_eq!(small, 0);
    scene.things.clear();
    motion.sensitivity.area = 0.002;
    let now = moved(&mut motion, &mut scene, 5, |scene, number| {
        scene.things = vec![(cat(number), 240)]
    });
    assert!(now > 20, "{now}");
}

#[test]
fn only_what_moves_in_the_zone_counts() {
    let mut scene = Scene::new();
    let left = (0..HEIGHT)
        .flat_map(|_| (0..WIDTH).map(|x| x < WIDTH / 2))
        .collect();
    let mut motion = Motion::new(motion().sensitivity, Some(left));
    moved(&mut motion, &mut scene, 5, |_, _| {});
    let right = moved(&mut motion, &mut scene, 3, |scene, number| {
        scene.things = vec![person(82 + number * 4)]
    });
    assert_eq!(right, 0);
    let left = moved(&mut motion, &mut scene, 3, |scene, number| {
        scene.things = vec![person(number * 4)]
    });
    assert_eq!(left, 15);
    let wrong = Motion::new(motion.sensitivity, Some(vec![true; 3])).watch(&scene.draw(), STEP);
    assert!(wrong.is_err());
}

#[test]
fn another_size_begins_anew() {
    let mut scene = Scene::new();
    let mut motion = settled(&mut scene);
    let other = Grey::new(10, 10, vec![7; 100]).unwrap();
    assert_eq!(motion.watch(&other, STEP).unwrap(), Seen::default());
    assert_eq!(motion.differs().len(), 100);
}
