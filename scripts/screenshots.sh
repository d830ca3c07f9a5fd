#!/usr/bin/env bash
# Writes the screenshots of the README: the tests of the page take them, of a data set with a few projects, one of
# which fails. Smaller where optipng is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --test integration -- page::shots::every_page_looks_right_with_a_few_projects
mkdir -p docs/images
for page in overview project deliveries document; do
    from=target/screenshots/readme-$page.png to=docs/images/$page.png
    cp "$from" "$to"
    if command -v optipng >/dev/null; then optipng -quiet -o5 "$to"; fi
done
du -h docs/images/*.png
