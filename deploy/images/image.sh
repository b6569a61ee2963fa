#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What deploy/Dockerfile does inside the images it makes; the last step removes
# this file.
#   image.sh base              for all images: user, directories, certificates
#   image.sh libraries         the packages listed in $share/packages
#   image.sh finish NAME       the bill of materials; VERSION and
#                              SOURCE_DATE_EPOCH are taken from the environment
set -eu
share=/usr/share/sallyport

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    apt-get clean
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old \
        /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
}

# Nobody becomes anybody else in here.
drop_setuid() {
    find / -xdev -type f -perm /6000 -exec chmod ug-s {} +
}

# Group 0 may write, since some platforms choose a uid of their own and give it
# that group. A named volume takes owner and mode from here when it is made.
make_directories() {
    install -d -m 0755 /etc/sallyport
    install -d -m 0770 -o 10001 -g 0 /var/lib/sallyport /run/sallyport
    # Where docker-compose.yml mounts each reader's secrets. The database's
    # user passes by its number only, and reads by the group of the files.
    for reader in apid authd db demo migrate sessiond; do
        install -d -m 0771 -o 10001 -g 0 "/secrets/$reader"
    done
}

base() {
    # As Debian's slim images do: no manuals, the licences stay.
    printf 'path-exclude /usr/share/%s/*\n' doc man info locale lintian \
        >/etc/dpkg/dpkg.cfg.d/sallyport
    printf 'path-include /usr/share/doc/*/copyright\n' \
        >>/etc/dpkg/dpkg.cfg.d/sallyport
    install_packages ca-certificates tzdata
    drop_setuid
    echo 'sallyport:x:10001:10001::/:/usr/sbin/nologin' >>/etc/passwd
    echo 'sallyport:x:10001:' >>/etc/group
    make_directories
}

# CycloneDX from what dpkg knows. In a purl "+" and ":" are written as escapes.
bill_of_materials() {
    # shellcheck disable=SC2016
    dpkg-query -W -f '${Package}\t${Version}\t${Architecture}\n' |
        awk -F '\t' -v name="$1" -v version="$VERSION" -v at="$2" '
        function purl(package, v, arch) {
            gsub(/\+/, "%2B", package); gsub(/\+/, "%2B", v)
            gsub(/:/, "%3A", v)
            return "pkg:deb/debian/" package "@" v "?arch=" arch
        }
        BEGIN {
            printf "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.5\","
            printf "\"version\":1,\"metadata\":{\"timestamp\":\"%s\",", at
            printf "\"component\":{\"type\":\"container\","
            printf "\"bom-ref\":\"sallyport/%s\",", name
            printf "\"name\":\"sallyport/%s\",", name
            printf "\"version\":\"%s\"}},\n\"components\":[\n", version
            printf "{\"type\":\"application\",\"bom-ref\":\"sallyport\","
            printf "\"name\":\"sallyport\",\"version\":\"%s\",", version
            printf "\"licenses\":[{\"license\":{\"id\":\"MIT\"}}]}"
        }
        {
            p = purl($1, $2, $3)
            printf ",\n{\"type\":\"library\",\"bom-ref\":\"%s\",", p
            printf "\"name\":\"%s\",\"version\":\"%s\",", $1, $2
            printf "\"purl\":\"%s\"}", p
        }
        END { print "\n]}" }'
}

finish() {
    bill_of_materials "$1" \
        "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
        >"$share/sbom.cdx.json"
    drop_setuid
    rm "$share/packages" "$share/image.sh"
}

case $1 in
base) base ;;
libraries)
    # shellcheck disable=SC2046
    install_packages $(cat "$share/packages")
    ;;
finish) finish "$2" ;;
esac
