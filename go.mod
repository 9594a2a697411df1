module github.com/ripcord-dev/ripcord

go 1.26
