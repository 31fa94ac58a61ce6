/* Writes the same rows as OpenGiro does, as fast as C can: prepared statements, one transaction per `batch` payments.

   sqlite_loop DATABASE STATEMENTS SECONDS BATCH FIRST_ID
   STATEMENTS holds one INSERT a line, in which ?1 is the id. Prints how many payments were committed, and in what time.
   SQLite's functions are declared here, so that its library is enough and its headers are not needed. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
int sqlite3_open(const char *, sqlite3 **);
int sqlite3_close(sqlite3 *);
int sqlite3_busy_timeout(sqlite3 *, int);
int sqlite3_exec(sqlite3 *, const char *, void *, void *, char **);
int sqlite3_prepare_v2(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
int sqlite3_bind_int64(sqlite3_stmt *, int, long long);
int sqlite3_step(sqlite3_stmt *);
int sqlite3_reset(sqlite3_stmt *);
int sqlite3_finalize(sqlite3_stmt *);
const char *sqlite3_errmsg(sqlite3 *);

enum { OK = 0, DONE = 101, STATEMENTS_MAX = 64, LINE_MAX_BYTES = 1 << 20 };

static sqlite3 *database;

static void need(int right) {
    if (!right) {
        fprintf(stderr, "sqlite_loop: %s\n", sqlite3_errmsg(database));
        exit(1);
    }
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static int prepare_all(const char *path, sqlite3_stmt **prepared) {
    static char line[LINE_MAX_BYTES];
    FILE *file = fopen(path, "r");
    int count = 0;
    need(file != NULL);
    while (count < STATEMENTS_MAX && fgets(line, sizeof line, file))
        need(sqlite3_prepare_v2(database, line, -1, &prepared[count++], NULL) == OK);
    fclose(file);
    return count;
}

int main(int argc, char **argv) {
    sqlite3_stmt *prepared[STATEMENTS_MAX];
    if (argc != 6) return 2;
    need(sqlite3_open(argv[1], &database) == OK);
    sqlite3_busy_timeout(database, 5000);
    need(sqlite3_exec(database, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA fullfsync=ON;"
                                "PRAGMA foreign_keys=ON", NULL, NULL, NULL) == OK);
    int statements = prepare_all(argv[2], prepared), batch = atoi(argv[4]);
    double seconds = atof(argv[3]), begun = now();
    long long first = atoll(argv[5]), id = first;
    while (now() - begun < seconds) {
        need(sqlite3_exec(database, "BEGIN IMMEDIATE", NULL, NULL, NULL) == OK);
        for (int one = 0; one < batch; one++, id++)
            for (int at = 0; at < statements; at++) {
                sqlite3_bind_int64(prepared[at], 1, id);
                need(sqlite3_step(prepared[at]) == DONE);
                sqlite3_reset(prepared[at]);
            }
        need(sqlite3_exec(database, "COMMIT", NULL, NULL, NULL) == OK);
    }
    double took = now() - begun;
    for (int at = 0; at < statements; at++) sqlite3_finalize(prepared[at]);
    sqlite3_close(database);
    printf("%lld %.6f\n", id - first, took);
    return 0;
}
