"""Which packages the starter corpus reads, how, and which tags their subjects imply.

A line of the table is part of one package; licences are SPDX identifiers and are checked against the package itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from corpus_comments import docblocks, docstrings, rdoc
from corpus_declarations import class_files, objective_c_headers, tag_list, typescript_names
from corpus_entries import Extractor
from corpus_extractors import (
    ecma_xml,
    html_prose,
    html_titled,
    index_lines,
    javadoc_html,
    json_names,
    man_pages,
    markdown,
    pod,
    ri,
    sql_help,
)

Rules = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Source:
    """Part of a package: the files that match `pattern`, how to read them, and the tags their subject implies."""

    package: str
    extract: Extractor
    pattern: str
    tags: str
    licence: str
    registry: str = "debian"
    most: int = 15_000
    more: Rules = ()  # patterns of where an entry was found, each with the tags it adds


JDK, JDK_LICENCE = "openjdk-17-source", "GPL-2.0-only WITH Classpath-exception-2.0"
# Nearly every page of it says license="cc4" from="Microsoft"; the package as a whole says MIT.
DOTNET, DOTNET_LICENCE = "monodoc-manual", "MIT AND LicenseRef-cc4"
IOS, ANDROID = "@nativescript/types-ios", "@nativescript/types-android"
IOS_FRAMEWORKS = (
    r"objc!(?:Foundation|CoreGraphics|CoreLocation|MapKit|AVFoundation|CoreData|QuartzCore|WebKit|StoreKit|MediaPlayer"
    r"|MessageUI|GameKit|AddressBook\w*|EventKit\w*|SpriteKit|Social|CoreBluetooth)\.d\.ts$"
)
DOTNET_TAGS = (
    (r"System\.Web\b", "asp.net"),
    (r"System\.Web\.Services|System\.ServiceModel", "web-services"),
    (r"System\.ServiceModel", "wcf"),
    (r"System\.Windows\.Forms|System\.Drawing", "winforms"),
    (r"System\.Linq|System\.Xml\.Linq|System\.Data\.Linq", "linq"),
    (r"System\.Data\b", "ado.net sql"),
    (r"System\.Data\.SqlClient", "sql-server"),
    (r"System\.Xml", "xml"),
    (r"System\.Threading", "multithreading"),
    (r"System\.Text\.RegularExpressions", "regex"),
    (r"System\.Net\.Sockets", "sockets"),
    (r"System\.Collections\.Generic", "generics"),
    (r"System\.Json", "json"),
    (r"System\.IO\b", "file"),
)
PYTHON_TAGS = (
    (r"/(?:json|simplejson)\b", "json"),
    (r"/re\b|/sre_", "regex"),
    (r"/(?:threading|multiprocessing|_thread|concurrent)", "multithreading"),
    (r"/xml\b|/xml\.", "xml"),
    (r"/socket", "sockets"),
    (r"/(?:datetime|calendar|time)\b", "datetime"),
    (r"/csv\b", "csv"),
    (r"/unittest", "unit-testing"),
    (r"/(?:string|textwrap|stdtypes)\b", "string"),
    (r"/sqlite3", "sql database"),
)
JAVA_TAGS = (
    (r"/javax/swing|/java/awt", "swing"),
    (r"/java/sql|/javax/sql", "jdbc sql database"),
    (r"/javax/xml|/org/w3c|/org/xml", "xml"),
    (r"/org/w3c/dom", "dom"),
    (r"/java/util/concurrent|/java/lang/Thread", "multithreading"),
    (r"/java/util/regex", "regex"),
    (r"/java/net/", "sockets"),
    (r"/java/io/|/java/nio/file", "file"),
    (r"/java/time|/java/text/.*Date|/java/util/(?:Date|Calendar)", "datetime"),
    (r"/javax/imageio", "image"),
)

SOURCES = [
    Source(DOTNET, ecma_xml, r"netdocs\.zip/\d+$", "c# .net", DOTNET_LICENCE, most=32_000, more=DOTNET_TAGS),
    Source(JDK, docblocks, r"java\.base/java/.*\.java$", "java", JDK_LICENCE, more=JAVA_TAGS),
    Source(JDK, docblocks, r"java\.desktop/java.*\.java$", "java", JDK_LICENCE, most=10_000, more=JAVA_TAGS),
    Source(JDK, docblocks, r"java\.(?:sql|xml|logging|net\.http)/java.*\.java$", "java", JDK_LICENCE, more=JAVA_TAGS),
    Source(
        "libservlet-api-java-doc",
        javadoc_html,
        r"^(?!.*class-use).*\.html$",
        "java",
        "Apache-2.0",
        more=((r"/jsp|/el/", "jsp"), (r"servlet/(?!jsp)", "servlets")),
    ),
    Source("tomcat10-docs", html_prose, r"docs/[\w-]+\.html$", "java tomcat servlets", "Apache-2.0"),
    Source(
        "libjsf-java-doc",
        javadoc_html,
        r"^(?!.*class-use).*\.html$",
        "java jsf jsp",
        "CDDL-1.0 OR GPL-2.0-only",
        most=5_000,
    ),
    Source(
        "libjackson-json-java-doc", javadoc_html, r"^(?!.*class-use).*\.html$", "java json", "Apache-2.0", most=5_000
    ),
    Source(
        "libandroid-json-org-java-doc", javadoc_html, r"^(?!.*class-use).*\.html$", "java android json", "Apache-2.0"
    ),
    Source("libjdom1-java-doc", javadoc_html, r"^(?!.*class-use).*\.html$", "java xml", "BSD-4-Clause"),
    Source("libapache-poi-java-doc", javadoc_html, r"ss/usermodel|[hx]ssf/", "java excel", "Apache-2.0", most=5_000),
    Source("junit4-doc", javadoc_html, r"^(?!.*class-use).*\.html$", "java junit unit-testing", "EPL-1.0"),
    Source("libspring-core-java", class_files, r"java/spring3.*\.jar/[\w/]+\.class", "java spring", "Apache-2.0"),
    Source("libspring-beans-java", class_files, r"java/spring3.*\.jar/[\w/]+\.class", "java spring", "Apache-2.0"),
    Source("libspring-context-java", class_files, r"java/spring3.*\.jar/[\w/]+\.class", "java spring", "Apache-2.0"),
    Source(
        "libspring-orm-java", class_files, r"java/spring3.*\.jar/[\w/]+\.class", "java spring hibernate", "Apache-2.0"
    ),
    Source(
        "libspring-web-java",
        class_files,
        r"java/spring3.*\.jar/[\w/]+\.class",
        "java spring spring-mvc",
        "Apache-2.0",
        more=((r"/http/|/client/", "rest"),),
    ),
    Source(
        "libspring-web-servlet-java",
        class_files,
        r"java/spring3.*\.jar/[\w/]+\.class",
        "java spring spring-mvc",
        "Apache-2.0",
    ),
    Source(
        "libhibernate3-java",
        class_files,
        r"java/hibernate-(?:core|entity).*\.jar/[\w/]+\.class",
        "java hibernate",
        "LGPL-2.1-only",
    ),
    Source("libmaven3-core-java", class_files, r"java/maven.*\.jar/[\w/]+\.class", "java maven", "Apache-2.0"),
    Source(
        "libeclipse-ui-workbench-java",
        class_files,
        r"java/.*\.jar/[\w/]+\.class",
        "java eclipse",
        "EPL-2.0",
        most=6_000,
    ),
    Source(ANDROID, typescript_names, r"android-platform-\d+\.d\.ts$", "android java", "Apache-2.0", "npm"),
    Source(
        IOS,
        typescript_names,
        r"objc!UIKit\.d\.ts$",
        "ios objective-c iphone cocoa-touch",
        "Apache-2.0",
        "npm",
        most=10_000,
    ),
    Source(IOS, typescript_names, IOS_FRAMEWORKS, "ios objective-c", "Apache-2.0", "npm", most=10_000),
    Source("@types/titanium", docblocks, r"\.d\.ts$", "titanium javascript ios android", "MIT", "npm", most=4_000),
    Source("libgnustep-base-dev", objective_c_headers, r"Foundation/.*\.h$", "objective-c ios", "LGPL-2.1-or-later"),
    Source("libgnustep-gui-dev", objective_c_headers, r"AppKit/.*\.h$", "objective-c osx cocoa", "LGPL-2.0-or-later"),
    Source("gnustep-base-doc", html_prose, r"Reference/.*\.html$", "objective-c ios", "LGPL-2.1-or-later"),
    Source("gnustep-gui-doc", html_prose, r"Reference/.*\.html$", "objective-c osx cocoa", "LGPL-2.0-or-later"),
    Source("geany-common", tag_list, r"std\.php\.tags$", "php", "GPL-2.0-or-later"),
    Source("php-laravel-framework", docblocks, r"\.php$", "php laravel", "MIT"),
    Source("php-illuminate-database", docblocks, r"\.php$", "php laravel database", "MIT"),
    Source("wordpress", docblocks, r"wp-(?:includes|admin)/.*\.php$", "php wordpress", "GPL-2.0-or-later"),
    Source("php-symfony-http-foundation", docblocks, r"\.php$", "php symfony", "MIT"),
    Source("php-symfony-http-kernel", docblocks, r"\.php$", "php symfony", "MIT"),
    Source("php-symfony-form", docblocks, r"\.php$", "php symfony forms", "MIT"),
    Source("php-symfony-validator", docblocks, r"\.php$", "php symfony validation", "MIT"),
    Source("php-doctrine-dbal", docblocks, r"\.php$", "php doctrine sql database", "MIT"),
    Source("php-doctrine-orm", docblocks, r"\.php$", "php doctrine mysql", "MIT"),
    Source("phpunit", docblocks, r"\.php$", "php unit-testing phpunit", "BSD-3-Clause"),
    Source(
        "python3.11-doc",
        html_prose,
        r"html/(?:library|tutorial|howto|faq)/.*\.html$",
        "python",
        "PSF-2.0",
        more=PYTHON_TAGS,
    ),
    Source(
        "libpython3.11-stdlib", docstrings, r"python3\.11/.*\.py$", "python", "PSF-2.0", more=PYTHON_TAGS, most=8_000
    ),
    Source(
        "python-django-doc", html_prose, r"/(?:ref|topics|intro|howto|faq)/.*\.html$", "python django", "BSD-3-Clause"
    ),
    Source("python3-django", docstrings, r"django/.*\.py$", "python django", "BSD-3-Clause", most=5_000),
    Source("python3-pandas", docstrings, r"pandas/(?!tests|_).*\.py$", "python pandas", "BSD-3-Clause"),
    Source(
        "python-pandas-doc",
        html_prose,
        r"html/(?:generated|user_guide|getting_started|reference)/.*\.html$",
        "python pandas",
        "BSD-3-Clause",
        most=10_000,
    ),
    Source("python3-numpy", docstrings, r"numpy/(?!.*tests/).*\.py$", "python numpy", "BSD-3-Clause"),
    Source(
        "python3-matplotlib", docstrings, r"matplotlib/(?!tests).*\.py$", "python matplotlib", "PSF-2.0", most=5_000
    ),
    Source("python3-sqlalchemy", docstrings, r"sqlalchemy/.*\.py$", "python sqlalchemy sql", "MIT", most=5_000),
    Source("python3-selenium", docstrings, r"\.py$", "python selenium", "Apache-2.0"),
    Source("python3-pymongo", docstrings, r"\.py$", "python mongodb", "Apache-2.0"),
    Source("python3-openpyxl", docstrings, r"\.py$", "python excel", "MIT"),
    Source("python3-lxml", docstrings, r"\.py$", "python xml", "BSD-3-Clause"),
    Source("python3-requests", docstrings, r"\.py$", "python rest", "Apache-2.0"),
    Source("@types/jquery", docblocks, r"\.d\.ts$", "jquery javascript", "MIT", "npm"),
    Source("@types/jqueryui", typescript_names, r"\.d\.ts$", "jquery jquery-ui javascript", "MIT", "npm"),
    Source("libjs-jquery-ui", docblocks, r"\.js$", "jquery jquery-ui javascript", "MIT"),
    Source(
        "typescript@5", docblocks, r"lib/lib\.(?:dom|webworker)\.d\.ts$", "javascript html dom", "Apache-2.0", "npm"
    ),
    Source("typescript@5", docblocks, r"lib/lib\.es.*\.d\.ts$", "javascript", "Apache-2.0", "npm"),
    Source("nodejs-doc", json_names, r"api/(?!all|changelog).*\.json", "javascript node.js", "MIT"),
    Source("@types/node", docblocks, r"\.d\.ts$", "javascript node.js", "MIT", "npm", most=5_000),
    Source("mongodb", docblocks, r"mongodb\.d\.ts$", "mongodb node.js javascript", "Apache-2.0", "npm"),
    Source("mongoose", docblocks, r"types/.*\.d\.ts$", "mongodb mongoose node.js javascript", "MIT", "npm"),
    Source("libjs-angularjs", docblocks, r"angular[\w-]*(?<!min)\.js$", "javascript angularjs", "MIT"),
    Source("@types/angular", docblocks, r"\.d\.ts$", "javascript angularjs", "MIT", "npm"),
    Source("@types/google.maps", docblocks, r"\.d\.ts$", "javascript google-maps", "MIT", "npm"),
    Source("@types/facebook-js-sdk", typescript_names, r"\.d\.ts$", "javascript facebook", "MIT", "npm"),
    Source("@types/selenium-webdriver", docblocks, r"\.d\.ts$", "javascript selenium", "MIT", "npm"),
    Source("@types/office-js", docblocks, r"office-js/index\.d\.ts$", "javascript excel", "MIT", "npm", most=4_000),
    Source("@vscode/web-custom-data", json_names, r"html-data\.json$", "html html5", "MIT", "npm"),
    Source("@vscode/web-custom-data", json_names, r"css-data\.json$", "css html", "MIT", "npm"),
    Source("libjs-bootstrap5-doc", markdown, r"\.md", "twitter-bootstrap css html", "MIT"),
    Source(
        "cppreference-doc-en-html",
        html_titled,
        r"html/en/cpp/.*\.html$",
        "c++",
        "CC-BY-SA-3.0",
        more=((r"/cpp/(?:container|string|thread|regex|algorithm)", "stl"),),
    ),
    Source("cppreference-doc-en-html", html_titled, r"html/en/c/.*\.html$", "c", "CC-BY-SA-3.0"),
    Source("qtbase5-doc-html", html_prose, r"\.html$", "c++ qt", "GFDL-1.3-no-invariants-only"),
    *(
        Source(f"libopencv-{part}-dev", docblocks, r"\.hpp$", "c++ opencv", "Apache-2.0")
        for part in ("core", "imgproc", "objdetect", "video", "features2d", "calib3d", "imgcodecs", "highgui")
    ),
    Source("manpages-dev", man_pages, r"man[23]/.*\.gz$", "c linux", "GPL-2.0-or-later"),
    Source("glibc-doc", man_pages, r"man3/.*\.gz$", "c linux pthreads multithreading", "LGPL-2.1-or-later"),
    Source("libxml2-doc", html_prose, r"\.html$", "c xml libxml2", "MIT", most=5_000),
    Source("ruby3.1-doc", ri, r"/ri/.*\.ri$", "ruby", "BSD-2-Clause"),
    *(
        Source(package, rdoc, r"/(?:app|lib)/.*\.rb$", "ruby-on-rails ruby", "MIT")
        for package in (
            "ruby-activerecord",
            "ruby-actionpack",
            "ruby-actionview",
            "ruby-activesupport",
            "ruby-activemodel",
            "ruby-railties",
            "ruby-actionmailer",
        )
    ),
    Source("mariadb-server-core", sql_help, r"fill_help_tables\.sql$", "mysql sql", "GPL-2.0-only"),
    Source("mariadb-client", man_pages, r"man1/.*\.gz$", "mysql database", "GPL-2.0-only"),
    Source("postgresql-doc-15", html_prose, r"\.html$", "sql postgresql database", "PostgreSQL", most=10_000),
    Source("sqlite3-doc", html_prose, r"\.html$", "sql sqlite database", "blessing", most=6_000),
    Source("r-base-core", index_lines, r"library/\w+/INDEX$", "r", "GPL-2.0-or-later"),
    Source("r-doc-html", html_prose, r"\.html$", "r", "GPL-2.0-or-later"),
    Source("r-cran-ggplot2", index_lines, r"INDEX$", "r ggplot2", "GPL-2.0-or-later"),
    Source("r-cran-dplyr", index_lines, r"INDEX$", "r dplyr", "MIT"),
    Source("apache2-doc", html_prose, r"manual/en/.*\.html", "apache", "Apache-2.0", most=8_000),
    Source(
        "perl-doc",
        pod,
        r"pod/perlre(?:|quick|tut|ref|backslash|charclass)\.pod$",
        "regex perl",
        "Artistic-1.0-Perl OR GPL-1.0-or-later",
    ),
]

# Words in a line that imply a tag whatever the package is about.
TOPICS: Rules = (
    (r"\bjson\b", "json"),
    (r"\barrays?\b", "arrays"),
    (r"\bstrings?\b|\bNSString\b|substring", "string"),
    (r"\bregex|regular expression|\bRegExp\b", "regex"),
    (r"\bxml\b", "xml"),
    (r"\bajax\b|XMLHttpRequest", "ajax"),
    (r"\bthreads?\b|multi-?thread", "multithreading"),
    (r"\bdate ?time\b|\btimestamps?\b", "datetime"),
    (r"\bdates?\b|NSDate", "date"),
    (r"\bsockets?\b", "sockets"),
    (r"\bcsv\b", "csv"),
    (r"\bsort(?:s|ed|ing)?\b", "sorting"),
    (r"\bimages?\b|UIImage|Bitmap\b", "image"),
    (r"\bpars(?:e|es|er|ing)\b", "parsing"),
    (r"\bsessions?\b", "session"),
    (r"\bvalidat(?:e|es|ion|or)\b", "validation"),
    (r"\bpointers?\b", "pointers"),
    (r"UITableView", "uitableview"),
)
